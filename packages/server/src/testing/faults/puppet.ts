/**
 * For tests of faults: a supervisor in this process that speaks the real link over the real door, keeps a spool, and does
 * at once what it is told, unless a test has it fail, keep silent or go away. Invariant: what it says is sent again until
 * it is acked.
 */
import { join } from 'node:path'
import {
  ackSchema,
  type CommandRefusal,
  commandRefusals,
  type DownMethod,
  type DownParams,
  downMethods,
  type ExecuteParams,
  type ExecutionId,
  frameSchema,
  linkProtocol,
  linkSubprotocol,
  newMessageId,
  newPartId,
  type SessionId,
  type UpEvent,
  welcomeSchema,
} from '@corral/protocol'
import { WebSocket } from 'ws'
import type { SandboxSpec } from '../../sandboxes/driver.ts'
import { createSpools } from './spools.ts'

/** What a puppet does with a command; without a word about it, what a good supervisor does. */
export type Reaction =
  /** Does it, and says so. */
  | 'obey'
  /** Takes it, and does nothing. */
  | 'take'
  /** Says nothing, and does nothing. */
  | 'silence'
  /** Does it, and its answer is lost. */
  | 'mumble'
  /** The connection breaks before the answer. */
  | 'cut'
  /** It breaks after everything was done and said, before the answer. */
  | 'cutAfter'
  /** The supervisor dies, and is started again without knowing of anything. */
  | 'die'
  | { refuse: CommandRefusal }

export type Received = { [M in DownMethod]: { method: M; params: DownParams<M>; puppet: Puppet } }[DownMethod]

export type Puppet = Awaited<ReturnType<typeof createPuppet>>

const againMs = 20
const heartbeatMs = 100

type Script = { received: Received[]; react(command: Received): Reaction }

export function createPuppet(spec: SandboxSpec, script: Script, firstIncarnation = 1) {
  const spools = createSpools((session, epoch, n, event) => {
    if (greeted) send({ method: 'events', params: { session, epoch, from: n, events: [event] } })
  })
  const begun = new Map<SessionId, ExecuteParams>()
  let prepared = new Set<SessionId>()
  let incarnation = firstIncarnation
  let closedWith: number | null = null
  let socket: WebSocket | null = null
  let greeted = false
  let state: 'dials' | 'away' | 'frozen' | 'ended' = 'dials'

  function dial(): void {
    if (state !== 'dials' || (socket !== null && socket.readyState < WebSocket.CLOSING)) return
    greeted = false
    const dialed = new WebSocket(`ws+unix://${join(spec.doorsFolder, 'server.sock')}:/link`, [linkSubprotocol], {
      headers: { authorization: `Bearer ${spec.linkToken}` },
    })
    socket = dialed
    dialed.on('open', () => send({ id: 'hello', method: 'hello', params: hello() }))
    dialed.on('message', (data) => {
      if (socket === dialed) take(String(data))
    })
    dialed.on('error', () => {})
    dialed.on('close', (code) => {
      closedWith = code
      setTimeout(dial, againMs)
    })
  }

  const hello = () => ({
    bootId: spec.bootId,
    incarnation,
    protocol: linkProtocol,
    sessions: spools.all().map(({ id, ...spool }) => ({
      id,
      spools: [spool],
      workspace: { attempt: 1, state: prepared.has(id) ? 'ready' : 'absent' },
      ...runs(id),
    })),
  })

  function runs(session: SessionId) {
    const params = begun.get(session)
    return params ? { running: { ...runningOf(params), begun: true }, agentRuns: true } : {}
  }

  function send(frame: object): void {
    if (state !== 'frozen' && socket?.readyState === WebSocket.OPEN)
      socket.send(JSON.stringify({ jsonrpc: '2.0', ...frame }))
  }

  function take(text: string): void {
    const frame = frameSchema.parse(JSON.parse(text))
    if ('result' in frame && frame.id === 'hello') welcome(frame.result)
    else if ('method' in frame && frame.method === 'ack') spools.acked(ackSchema.parse(frame.params))
    else if ('method' in frame && 'id' in frame) obey(frame)
  }

  function welcome(result: unknown): void {
    greeted = true
    for (const told of welcomeSchema.parse(result).sessions) {
      if ('release' in told) spools.drop(told.id)
      else spools.open(told.id, told.epoch, told.ackedN)
    }
  }

  const say = (session: SessionId, ...events: UpEvent[]) => spools.add(session, events)

  function obey(frame: { id: string | number; method: string; params: unknown }): void {
    const command = { method: frame.method, params: frame.params, puppet } as Received
    script.received.push(command)
    const reaction = script.react(command)
    if (reaction === 'silence') return
    const answer = () => send({ id: frame.id, result: resultOf(command) })
    if (typeof reaction === 'object') refuse(frame.id, reaction.refuse)
    else react(reaction, command, answer)
  }

  function refuse(id: string | number, refusal: CommandRefusal): void {
    send({ id, error: { code: commandRefusals[refusal], message: refusal } })
  }

  function react(reaction: Exclude<Reaction, object>, command: Received, answer: () => void): void {
    if (reaction === 'cut') puppet.cut()
    if (reaction === 'die') puppet.restart()
    if (reaction === 'take' || reaction === 'obey') answer()
    if (reaction === 'obey' || reaction === 'mumble' || reaction === 'cutAfter') act(command)
    if (reaction === 'cutAfter') puppet.cut()
  }

  function resultOf({ method }: Received): unknown {
    if (method === 'session.release') return { released: true }
    if (method === 'session.rename') return { taken: true }
    return method === 'session.diff' ? null : downMethods[method].result.parse({ accepted: true })
  }

  function act({ method, params }: Received): void {
    const { session } = params
    switch (method) {
      case 'session.assign':
        spools.open(session, params.epoch, params.ackedN)
        break
      case 'session.prepare':
        prepared.add(session)
        say(session, {
          type: 'prepared',
          data: { ok: true, attempt: params.attempt, branch: 'session/x', baseCommit: 'c0', reused: false },
        })
        break
      case 'session.warm':
        say(session, { type: 'warmed', data: { agentRuns: true } })
        break
      case 'session.execute':
        begin(params)
        complete(params)
        break
      case 'session.interrupt':
        begun.delete(session)
        say(session, { type: 'stopped', data: { ...runningOf(params), agentRuns: true } })
        break
      case 'session.finalize':
        say(session, { type: 'finalized', data: { executionId: params.executionId } })
        break
      case 'session.release':
        spools.drop(session)
    }
  }

  function begin(params: ExecuteParams): void {
    const { session, executionId } = params
    begun.set(session, params)
    say(
      session,
      { type: 'accepted', executionId, data: runningOf(params) },
      { type: 'started', executionId, data: runningOf(params) },
    )
  }

  function complete(params: ExecuteParams, text = `Done: ${params.prompt.text}`): void {
    const { session, executionId, agentSessionId: sessionID } = params
    const messageID = newMessageId()
    const info = {
      id: messageID,
      sessionID,
      role: 'assistant' as const,
      time: { created: 1 },
      parentID: params.messageId,
    }
    const part = { id: newPartId(), sessionID, messageID, type: 'text', text }
    begun.delete(session)
    say(
      session,
      { type: 'kilocode', executionId, data: { type: 'message.updated', properties: { info } } },
      { type: 'kilocode', executionId, data: { type: 'message.part.updated', properties: { part } } },
      {
        type: 'outcome',
        executionId,
        data: { ...runningOf(params), result: 'completed', begun: true, agentRuns: true },
      },
    )
  }

  const heart = setInterval(() => {
    if (greeted) send({ method: 'heartbeat', params: {} })
  }, heartbeatMs)

  const puppet = {
    spec,
    say,
    begin,
    complete,
    /** Breaks the connection; it comes again at once. */
    cut: () => socket?.terminate(),
    /** Breaks it, and stays away until `comeBack`. */
    leave() {
      state = 'away'
      socket?.terminate()
    },
    /** Keeps the connection open, and neither says nor hears anything until `comeBack`. */
    freeze() {
      state = 'frozen'
      socket?.pause()
    },
    comeBack() {
      state = 'dials'
      socket?.resume()
      dial()
    },
    /** Dies, and is started again; its spool is lost, and so is its workspace. */
    restart() {
      incarnation += 1
      spools.clear()
      begun.clear()
      prepared = new Set()
      socket?.terminate()
    },
    /** The same sandbox once more: a supervisor that was started while this one lives. */
    twin: () => createPuppet(spec, script, incarnation + 1),
    /** How its last connection ended. */
    closedWith: () => closedWith,
    /** Numbers that are not acked yet. */
    unacked: spools.unacked,
    epochOf: (session: SessionId) => spools.all().find(({ id }) => id === session)?.epoch ?? 0,
    isLinked: () => socket?.readyState === WebSocket.OPEN,
    end() {
      state = 'ended'
      clearInterval(heart)
      socket?.terminate()
    },
  }
  dial()
  return puppet
}

const runningOf = ({ executionId, attempt }: { executionId: ExecutionId; attempt: number }) => ({
  executionId,
  attempt,
})
