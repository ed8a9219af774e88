/**
 * One turn of the agent, from the prompt to its end. The agent's events only say when to look; whether the turn is
 * over is read from the agent itself: the root session is idle, and our message has an answer that is finished or an
 * error. So neither a sub-agent's idle nor one from before the prompt can end it, and a lost event only delays it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { TurnEnd } from '../agent.ts'
import type { AgentTimers } from '../timers.ts'
import type { AgentApi, AgentError, AgentMessage } from './api.ts'
import { failureOf } from './failure.ts'
import type { FeedEvent } from './feed.ts'
import { type Projection, sessionOf } from './projection.ts'
import type { AgentServer } from './server.ts'

const settleMs = 2_000
const lookMs = 50

const errorEventSchema = z.looseObject({
  error: z.looseObject({ name: z.string(), data: z.looseObject({}).nullish() }),
})

export type Turn = {
  event(event: FeedEvent): void
  /** Events may have been lost. */
  feedBroke(): void
  /** `gone`: the agent's process has ended. */
  ended(signal: AbortSignal): Promise<TurnEnd | 'gone'>
}

export function createTurn(options: {
  server: AgentServer
  root: string
  messageId: string
  projection: Projection
  timers: AgentTimers
}): Turn {
  const { server, root, messageId, projection, timers } = options
  const { api } = server
  let error: AgentError | undefined
  let broken = false
  let nudge = Promise.withResolvers<void>()

  /** The turn's end as the agent's state has it, or `undefined` while it goes on. */
  async function look(): Promise<TurnEnd | undefined> {
    if (await isBusy(api, root)) return undefined
    let answer = await readTurn(api, root, messageId)
    const deadline = performance.now() + settleMs
    while (answer.length > 0 && !isFinished(answer) && performance.now() < deadline) {
      await delay(lookMs)
      answer = await readTurn(api, root, messageId)
    }
    const last = answer.at(-1)
    if (!last && !error) return undefined
    if (await isBusy(api, root)) return undefined
    for (const message of answer) projection.history(message)
    if (broken) await tellSubAgents(api, projection, answer)
    projection.flush()
    const failure = last ? (last.info.error ?? undefined) : error
    return last && !failure ? { result: 'completed' } : { result: 'failed', ...failureOf(failure) }
  }

  async function stop(): Promise<TurnEnd> {
    const deadline = performance.now() + timers.abortGraceMs
    try {
      await api.abort(root, timers.abortGraceMs)
      while (performance.now() < deadline) {
        const answer = (await isBusy(api, root)) ? undefined : await readTurn(api, root, messageId)
        if (answer && (answer.length === 0 || isFinished(answer))) {
          for (const message of answer) projection.history(message)
          projection.flush()
          return { result: 'stopped' }
        }
        await delay(lookMs)
      }
    } catch (failure) {
      // An agent that does not answer is ended below, like one that does not stop.
      if (!(failure instanceof Error)) throw failure
    }
    await server.end()
    projection.event(idle(root))
    projection.flush()
    return { result: 'stopped' }
  }

  return {
    event(event) {
      if (sessionOf(event.properties) !== root) return
      if (event.type === 'session.error') error = errorEventSchema.safeParse(event.properties).data?.error ?? error
      if (event.type === 'session.error' || event.type === 'session.idle') nudge.resolve()
    },
    feedBroke() {
      broken = true
      nudge.resolve()
    },
    async ended(signal) {
      const aborted = new Promise<'aborted'>((resolve) => {
        if (signal.aborted) resolve('aborted')
        signal.addEventListener('abort', () => resolve('aborted'), { once: true })
      })
      const gone = server.ended.then(() => 'gone' as const)
      let silentProbes = 0
      for (;;) {
        const pause = new AbortController()
        const tick = delay(timers.healthEveryMs, undefined, { signal: pause.signal }).catch(() => undefined)
        const cause = await Promise.race([gone, aborted, nudge.promise, tick])
        pause.abort()
        if (cause === 'gone') return 'gone'
        if (cause === 'aborted') return stop()
        nudge = Promise.withResolvers()
        const state = await Promise.race([gone, aborted, lookCarefully()])
        if (state === 'gone') return 'gone'
        if (state === 'aborted') return stop()
        if (state === 'silent') {
          if (++silentProbes < timers.healthTries) continue
          await server.end()
          return 'gone'
        }
        silentProbes = 0
        if (state) return state
      }
    },
  }

  async function lookCarefully(): Promise<TurnEnd | undefined | 'silent'> {
    if (!(await api.healthy(timers.healthProbeMs))) return 'silent'
    try {
      return await look()
    } catch (failure) {
      if (!(failure instanceof Error)) throw failure
      return 'silent'
    }
  }
}

const isBusy = async (api: AgentApi, root: string): Promise<boolean> => {
  const status = (await api.statuses())[root]
  return status !== undefined && status.type !== 'idle'
}

/** True of a session whose process has ended, which can no longer say so itself. */
export const idle = (sessionID: string): FeedEvent => ({
  type: 'session.status',
  properties: { sessionID, status: { type: 'idle' } },
})

/** The agent's answers to our message, oldest first. */
export async function readTurn(api: AgentApi, root: string, messageId: string): Promise<AgentMessage[]> {
  for (let limit = 32; ; limit *= 4) {
    const messages = await api.messages(root, limit)
    const asked = messages.findIndex(({ info }) => info.id === messageId)
    if (asked === -1 && messages.length >= limit) continue
    // Turns follow each other, and a command's may go on under a message that the agent has written itself.
    return asked === -1 ? [] : messages.slice(asked + 1).filter(({ info }) => info.role === 'assistant')
  }
}

/**
 * Histories of the sub-agents that came to be since the turn's first answer, found from the root down: a broken feed
 * may have hidden that they exist.
 */
export async function tellSubAgents(api: AgentApi, projection: Projection, answer: AgentMessage[]): Promise<void> {
  const since = answer[0]?.info.time.created
  if (since === undefined) return
  for (const parent of projection.sessions()) {
    for (const { id, time } of await api.children(parent)) {
      if (time.created < since) continue
      projection.addSession(id)
      for (const message of await api.messages(id)) projection.history(message)
    }
  }
}

function isFinished(answer: AgentMessage[]): boolean {
  const info = answer.at(-1)?.info
  return Boolean(info && (info.time.completed || info.error))
}
