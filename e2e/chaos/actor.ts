/**
 * One session with its people: they send, send more while it works, stop it, answer what it asks, and watch. Invariants:
 * `accepted` has every message whose acceptance was told, in that order, each sent with a `clientId` until there is an
 * answer; `answered` has every answer to a question that was taken.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentSessionId, ExecutionId, SessionId } from '@corral/protocol'
import { eventually } from '../harness/eventually.ts'
import type { Installation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { ask, bash, gate, play, say, write } from '../harness/script.ts'
import { follow, type Viewer } from '../harness/viewer.ts'
import { recordsOf } from '../kills/records.ts'
import { type Answered, createAnswering } from './answering.ts'
import type { Random } from './dice.ts'
import { patiently } from './patience.ts'

export type Actor = {
  session: SessionId
  agentSessionId: AgentSessionId
  repository: string
  accepted: ExecutionId[]
  writing: ExecutionId[]
  answered: Answered[]
  /** Each the views, one after the other, of somebody who was cut off between them. */
  watchers: { name: string; views: Viewer[] }[]
  /** A few messages, and perhaps Stop, until all are over. */
  round(): Promise<void>
  /** One message that nothing disturbs. */
  last(): Promise<ExecutionId>
  cutViewer(): void
}

/** Longer than it takes to find a sandbox lost and to start it again, thrice; */
const roundMs = 300_000
/** and agents start in turn, so that the last session may wait for those of all others. */
const turnOfStartMs = 45_000

/** What people do in a session: the chance of each, and how many messages they send at most before they wait. */
export type Workload = { stops: number; questions: number; tools: number; held: number; messages: number }

export const usualWorkload: Workload = { stops: 0.3, questions: 0.2, tools: 0.4, held: 0.5, messages: 3 }

type Place = {
  corral: Installation
  workload: Workload
  /** Where the end of each execution is told. */
  callbackUrl: string
  /** As many as there are. */
  sessions: number
}

export async function createActor(
  { corral, workload, callbackUrl, sessions }: Place,
  name: string,
  random: Random,
): Promise<Actor> {
  const repository = await makeRepository(join(corral.repositories, `${name}.git`), { 'README.md': `About ${name}.\n` })
  let turn = 0
  const first = nextTurn()
  const { cloudAgentSessionId: session, kiloSessionId: agentSessionId } =
    await corral.backEnd.call.prepareSession.mutate({
      prompt: first.prompt,
      mode: 'code',
      model: 'scripted/demo',
      gitUrl: repository,
      autoCommit: true,
      callbackTarget: { url: callbackUrl },
      permissions: { default: 'auto', rules: [{ tool: 'question', action: 'ask' }] },
    })
  const answering = createAnswering(corral, session, random.branch())
  const steady = { name: `steady viewer of ${name}`, views: [follow(corral.corral, session)] }
  const restless = { name: `restless viewer of ${name}`, views: [follow(corral.corral, session)] }
  const accepted: ExecutionId[] = []
  const writing: ExecutionId[] = []
  const records = recordsOf(corral.home)

  function nextTurn() {
    turn += 1
    const label = `${name}-${turn}`
    const steps = [
      write(`${label}.md`, `${label}\n`),
      ...(random.chance(workload.tools) ? [bash(`sleep ${random.between(1, 4)}; ls`)] : []),
      `${say(`This is ${label}, which says a few words more than it has to. `)} pace ${random.between(1, 60)}ms`,
      ...(random.chance(workload.questions) ? [ask(`Which one for ${label}?`, 'Red', 'Blue')] : []),
      ...(random.chance(workload.held) ? [gate(label), say(`And ${label} goes on.`)] : []),
    ]
    return { label, prompt: play(...steps) }
  }

  async function send(message: { label: string; prompt: string }): Promise<ExecutionId> {
    const clientId = randomUUID()
    const { executionId } = await patiently(() =>
      accepted.length === 0
        ? corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
        : corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt: message.prompt, clientId }),
    )
    accepted.push(executionId)
    writing.push(executionId)
    return executionId
  }

  const release = (label: string) => patiently(async () => (await corral.model()).release(label))
  const stop = () => patiently(() => corral.corral.call.interruptSession.mutate({ cloudAgentSessionId: session }))

  const allOver = () =>
    eventually(`the end of all turns of ${session}`, roundMs + sessions * turnOfStartMs, async () => {
      // Twenty of us look.
      await delay(500)
      await answering.answerAll()
      const rows = await patiently(() => records.executions(session))
      const over = rows.every(
        ({ state, stopped, finalization }) =>
          !['queued', 'running'].includes(state) && stopped && finalization !== 'pending',
      )
      return over || null
    })

  async function sendAndRelease(message: { label: string; prompt: string }): Promise<void> {
    await send(message)
    const heldMs = random.between(0, 8_000)
    releases.push(delay(heldMs).then(() => release(message.label)))
  }
  let releases: Promise<void>[] = []

  return {
    session,
    agentSessionId,
    repository,
    accepted,
    writing,
    answered: answering.answered,
    watchers: [steady, restless],
    async round() {
      releases = []
      const stops = random.chance(workload.stops) ? { afterMs: random.between(0, 8_000) } : null
      for (let left = random.between(1, workload.messages + 1); left > 0; left -= 1) {
        await sendAndRelease(accepted.length === 0 ? first : nextTurn())
        await delay(random.between(0, 3_000))
      }
      if (stops) {
        await delay(stops.afterMs)
        await stop()
      }
      await Promise.all(releases)
      await allOver()
    },
    async last() {
      turn += 1
      const label = `${name}-last`
      const executionId = await send({ label, prompt: play(write(`${label}.md`, 'last\n'), say('The last word.')) })
      await allOver()
      return executionId
    },
    cutViewer() {
      const view = restless.views.at(-1)
      view?.close()
      const seenUpTo = restless.views.flatMap(({ events }) => events).at(-1)?.eventId ?? 0
      restless.views.push(follow(corral.corral, session, { from: seenUpTo }))
    },
  }
}
