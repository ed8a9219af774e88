/** One session that is held at gates while something is killed, with a viewer that is there through all of it. */
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CorralCallError } from '@corral/client'
import type { AgentSessionId, Envelope, ExecutionId, SessionId } from '@corral/protocol'
import type { RecordedRequest, ScriptedModelControl } from '@corral/scripted-model'
import { eventually } from '../harness/eventually.ts'
import type { Installation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { follow, type Viewer } from '../harness/viewer.ts'
import { type Inside, lookInside } from './inside.ts'
import { type Records, recordsOf } from './records.ts'

export type Conversation = {
  corral: Installation
  session: SessionId
  agentSessionId: AgentSessionId
  repository: string
  /** Connected before the first event, and never connected again by us. */
  viewer: Viewer
  records: Records
  model(): Promise<ScriptedModelControl>
  send(prompt: string): Promise<ExecutionId>
  atGate(name: string): Promise<void>
  release(name: string): Promise<void>
  stop(): Promise<ExecutionId[]>
  inside(): Promise<Inside>
  /** Of the newest execution and what came before, as viewers have it. */
  ended(executionId: ExecutionId, withinMs?: number): Promise<Envelope>
}

/** `first` is the execution that it began with. */
export type Begun = Conversation & { first: ExecutionId }

/** From nothing to the agent's first call of the model, on a machine that is busy. */
export const bootMs = 60_000

export async function startConversation(
  corral: Installation,
  name: string,
  prompt: string,
  {
    autoCommit = true,
    shallow = false,
    isolation = 'session',
  }: { autoCommit?: boolean; shallow?: boolean; isolation?: 'session' | 'shared' } = {},
): Promise<Begun> {
  const repository = await makeRepository(join(corral.repositories, `${name}.git`), { 'README.md': `About ${name}.\n` })
  const ack = await corral.corral.call.start.mutate({
    prompt,
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    autoCommit,
    shallow,
    isolation,
  })
  return { ...joinConversation(corral, { ...ack, repository }), first: ack.executionId }
}

/** From now on with a viewer. */
export function joinConversation(
  corral: Installation,
  of: { cloudAgentSessionId: SessionId; kiloSessionId: AgentSessionId; repository: string },
): Conversation {
  const session = of.cloudAgentSessionId
  const viewer = follow(corral.corral, session)
  const records = recordsOf(corral.home)
  return {
    corral,
    session,
    agentSessionId: of.kiloSessionId,
    repository: of.repository,
    viewer,
    records,
    model: corral.model,
    async send(text) {
      const sent = await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt: text })
      return sent.executionId
    },
    async atGate(gate) {
      await (await corral.model()).waitAtGate(gate, bootMs)
    },
    release: async (gate) => (await corral.model()).release(gate),
    async stop() {
      const stopped = await corral.corral.call.interruptSession.mutate({ cloudAgentSessionId: session })
      return stopped.interruptedExecutionIds
    },
    inside: async () => lookInside(await records.sandboxInit(session)),
    ended: (executionId, withinMs = bootMs) => viewer.ended(executionId, withinMs),
  }
}

/** Waits for what the log says of finalization, so that plain git can be asked. */
export const pushed = ({ records, session }: Conversation, executionId: ExecutionId): Promise<unknown> =>
  eventually(`the finalization of ${executionId}`, 30_000, async () => {
    const row = (await records.executions(session)).find(({ id }) => id === executionId)
    return row?.finalization === 'done' ? row : null
  })

/** The calls that the model has got for a prompt with these words. */
export async function callsOf({ model }: Conversation, words: string): Promise<RecordedRequest[]> {
  const requests = await (await model()).requests()
  // A call for the message of a commit is told what was asked for, too.
  return requests.filter(({ lastUserText: text }) => text.includes(words) && !text.includes('\n\nThe change:\n'))
}

/** A step of an execution has come so far; `:again` is one that is repeated. */
export const stepOf = (
  { viewer }: Conversation,
  execution: ExecutionId,
  step: string,
  state: string,
): Promise<Envelope> =>
  viewer.until(
    `${step} ${state}`,
    ({ executionId, streamEventType, data }) =>
      executionId === execution &&
      streamEventType === 'status' &&
      data.stepId === `${execution}:${step}` &&
      data.state === state,
  )

/** The checkout, where it lies on this host. */
export async function checkoutOf({ corral, session }: Pick<Conversation, 'corral' | 'session'>): Promise<string> {
  for await (const path of glob(join(corral.home, 'sandboxes', '*', 'workspace', '**', 'sessions', session)))
    return path
  throw new Error(`no checkout of ${session}`)
}

/** Asks until there is an answer, as a client does that names its message. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + bootMs
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const mayPass = error instanceof CorralCallError && !error.isFinal
      if (!mayPass || performance.now() > deadline) throw error
      await delay(50)
    }
  }
}
