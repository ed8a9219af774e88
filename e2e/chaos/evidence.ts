/** Reads what the checker judges: the database, the viewers and one who joins now, the server's transcript, plain git. */
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionExport } from '@corral/protocol'
import { emptyTranscript, logEventOf, orderedMessages, reduce } from '@corral/transcript'
import { agentExport } from '../harness/agentExport.ts'
import { eventually } from '../harness/eventually.ts'
import type { Installation } from '../harness/installation.ts'
import { processesOf } from '../harness/processes.ts'
import { executionsOn } from '../harness/repositories.ts'
import { follow, type Viewer } from '../harness/viewer.ts'
import type { Inside } from '../kills/inside.ts'
import { recordsOf } from '../kills/records.ts'
import type { Actor } from './actor.ts'
import type { SeenBy, SessionEvidence } from './judged.ts'
import { createSlots } from './slots.ts'
import type { Told } from './told.ts'

const seenMs = 15_000

type Place = { corral: Installation; told: Told }

/** Callbacks that are tried again come a minute later, and then two. */
const toldMs = 240_000

export async function evidenceOf({ corral, told }: Place, actor: Actor, last: string | null): Promise<SessionEvidence> {
  const { session, agentSessionId, accepted, writing, answered, repository } = actor
  const records = recordsOf(corral.home)
  const end = (await records.events(session)).at(-1)?.seq ?? 0
  const joined = { name: 'somebody who joins now', views: [follow(corral.corral, session)] }
  const watchers = [...actor.watchers, joined]
  const broken = await Promise.all(
    watchers.map(async ({ views }) => {
      // One that was cut off after the last event gets no more of them.
      if (views.flatMap(({ events }) => events).some(({ eventId }) => eventId >= end)) return null
      const arrived = views.at(-1)?.until('the last event', ({ eventId }) => eventId >= end, seenMs)
      return arrived?.then(() => null, String) ?? null
    }),
  )
  const callbacks = async () => (await records.callbacks(session)).filter(({ state }) => !isOver(state))
  await eventually(`the callbacks of ${session}`, toldMs, async () => {
    await delay(500)
    return (await callbacks()).length === 0 || null
  })
  const [events, executions, exported, theirs, commits, asks, owed] = await Promise.all([
    records.events(session),
    records.executions(session),
    corral.corral.exportSession(session),
    oneExport(() => agentExport(corral, { session, agentSessionId, agent: 'opencode' })),
    executionsOn(repository, session),
    records.asks(session),
    records.callbacks(session),
  ])
  for (const { views } of watchers) views.at(-1)?.close()
  return {
    session,
    accepted,
    writing,
    last,
    executions,
    events,
    viewers: watchers.map(({ name, views }, i) => seenBy(name, views, broken[i] ?? null)),
    messages: exported.messages,
    answers: answersOf(
      executions.filter(({ state }) => state === 'completed').map(({ id }) => id),
      { ours: exported, theirs, executionOf: executionsOfMessages(joined.views) },
    ),
    commits,
    asks,
    answered,
    callbacks: owed,
    told: await told.of(accepted),
  }
}

const oneExport = createSlots(1)

const executionsOfMessages = (views: Viewer[]): Map<string, string> =>
  new Map(
    orderedMessages(reduce(emptyTranscript, views.flatMap(({ events }) => events).map(logEventOf))).flatMap(
      ({ message }) => (message.executionId ? [[message.info.id, message.executionId]] : []),
    ),
  )

/** What the agent has answered in each of these, as both have it. */
function answersOf(
  completed: readonly string[],
  of: { ours: SessionExport; theirs: SessionExport; executionOf: Map<string, string> },
): SessionEvidence['answers'] {
  const answerIn = (exported: SessionExport, executionId: string) =>
    exported.messages.filter(
      ({ info }) => info.role === 'assistant' && of.executionOf.get(String(info.id)) === executionId,
    )
  return completed.map((executionId) => ({
    executionId,
    ours: answerIn(of.ours, executionId),
    theirs: answerIn(of.theirs, executionId),
  }))
}

const isOver = (state: string) => state === 'delivered' || state === 'dead'

function seenBy(name: string, views: Viewer[], broken: string | null): SeenBy {
  const events = views.flatMap((view) => view.events)
  const histories = [...new Set(views.flatMap(({ connections }) => connections.map(({ logId }) => logId)))]
  const shown = orderedMessages(reduce(emptyTranscript, events.map(logEventOf)))
  return {
    name,
    events,
    messages: shown.map(({ message, parts }) => ({ info: message.info, parts })),
    histories,
    broken,
  }
}

/** While the server still runs: what no session accounts for. */
export async function strangersIn(corral: Installation, insides: Inside[]): Promise<string[]> {
  // What starts it names it, too, and is another program.
  const supervisors = (await processesOf(corral.folder)).filter(({ commandLine }) =>
    /^\/corral\/node .*\/corral\/supervisor\.mjs/.test(commandLine),
  )
  const known = new Set(insides.map(({ supervisor }) => supervisor))
  const gates = (await (await corral.model()).gates()).filter(({ waiting }) => waiting > 0)
  return [
    ...supervisors.filter(({ pid }) => !known.has(pid)).map(({ pid }) => `supervisor ${pid}, of no session's sandbox`),
    ...insides.flatMap(({ init, tools, agents }) => [
      ...tools.map(({ commandLine }) => `tool "${commandLine}" in the sandbox of ${init}`),
      ...(agents.length > 1 ? [`${agents.length} agents in the sandbox of ${init}`] : []),
    ]),
    ...gates.map(({ name, waiting }) => `${waiting} streams at gate ${name}`),
  ]
}
