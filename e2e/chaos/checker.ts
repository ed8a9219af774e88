/**
 * What must hold after chaos, as pure functions over what was read: log, executions, viewers, transcripts, git. Each
 * violation names its rule. Nothing here knows what was struck, since no fault excuses any of it.
 */
import { isDeepStrictEqual } from 'node:util'
import { compactedIn } from '../kills/compacted.ts'
import type { Evidence, LoggedEvent, SeenEvent, SessionEvidence, Violation } from './judged.ts'

type Check = (evidence: SessionEvidence) => string[]

const endingState: Record<string, string> = { complete: 'completed', interrupted: 'interrupted', error: 'failed' }

/** Given without gaps and once; only deltas of compacted executions may be absent. */
const numbers: Check = ({ events }) => {
  const compacted = compactedIn(events)
  const seqs = events.map(({ seq }) => seq)
  const known = new Set(seqs)
  const twice = seqs.filter((seq, i) => seqs.indexOf(seq) !== i)
  const gaps = upTo(Math.max(0, ...seqs)).filter((seq) => !known.has(seq) && !compacted.has(seq))
  return [...twice.map((seq) => `number ${seq} is given twice`), ...gaps.map((seq) => `number ${seq} is missing`)]
}

/** Of each life of a spool, what came from below stands in its order, and nothing came twice. */
const origins: Check = ({ events }) => {
  const sent = events.flatMap((event) => (event.epoch === null || event.n === null ? [] : [event]))
  return sent.flatMap((event, i) => {
    const before = sent[i - 1]
    if (!before) return []
    const [epoch, n] = [event.epoch ?? 0, event.n ?? 0]
    const [epochBefore, nBefore] = [before.epoch ?? 0, before.n ?? 0]
    if (epoch < epochBefore || (epoch === epochBefore && n < nBefore))
      return [`event ${event.seq} is ${epoch}/${n} behind ${epochBefore}/${nBefore}`]
    // One word from below may become several events, which are not the same.
    const isAgain = epoch === epochBefore && n === nBefore && event.type === before.type && event.data === before.data
    return isAgain ? [`event ${event.seq} is ${epoch}/${n} once more`] : []
  })
}

/** One log for its whole life: it is given another history only when something that was acked is gone. */
const history: Check = ({ viewers: all }) => {
  const histories = new Set(all.flatMap((viewer) => viewer.histories))
  return histories.size > 1 ? [`the log was replaced: ${[...histories]}`] : []
}

/** What an agent has said in a turn that completed is in the log, word for word. */
const agentsOwn: Check = ({ answers: all }) =>
  all
    .filter(({ ours, theirs }) => !isDeepStrictEqual(ours, theirs))
    .map(({ executionId }) => `the answer of ${executionId} is not the agent's own`)

/** What was accepted is there, once, and nothing else is. */
const accepted: Check = ({ accepted: ids, executions }) => [
  ...ids.filter((id) => !executions.some((row) => row.id === id)).map((id) => `${id} was accepted and is lost`),
  ...executions.filter(({ id }) => !ids.includes(id)).map(({ id }) => `${id} was never accepted, or doubled`),
]

/** One final state, one ending event that says the same, and nothing left to do. */
const endings: Check = ({ executions, events }) =>
  executions.flatMap(({ id, state, stopped, finalization }) => {
    const ended = events.filter((event) => event.ends && event.executionId === id)
    const says = ended.map(({ type }) => endingState[type] ?? type)
    return [
      ...(ended.length === 1 ? [] : [`${id} has ${ended.length} ending events`]),
      ...(says.every((said) => said === state) ? [] : [`${id} is ${state}, and its ending event says ${says}`]),
      ...(['completed', 'failed', 'interrupted'].includes(state) ? [] : [`${id} is still ${state}`]),
      ...(stopped ? [] : [`${id} was never said to be stopped`]),
      ...(finalization === 'pending' ? [`the finalization of ${id} is pending`] : []),
    ]
  })

/** Accepted, queued, started and ended in one order. */
const fifo: Check = ({ accepted: ids, executions, events }) => {
  const orders = {
    queue: executions.map(({ id }) => id),
    'queued events': executionsOf(events.filter(({ type }) => type === 'queued')),
    'ending events': executionsOf(events.filter(({ ends }) => ends)),
    starts: [...new Set(executionsOf(events.filter(({ type }) => type === 'started')))],
  }
  return Object.entries(orders).flatMap(([name, order]) => {
    const wanted = ids.filter((id) => order.includes(id))
    const shown = [...new Set(order.filter((id) => ids.includes(id)))]
    return isDeepStrictEqual(shown, wanted) ? [] : [`${name} are in the order ${shown}, accepted was ${wanted}`]
  })
}

/** From a start to its end nothing else starts, and nothing starts after its own end. */
const oneRunning: Check = ({ events }) => {
  const found: string[] = []
  const over = new Set<string>()
  let running: string | null = null
  for (const { seq, type, executionId, ends } of events) {
    if (executionId === null) continue
    if (type === 'started') {
      if (running !== null && running !== executionId) found.push(`${executionId} starts at ${seq} beside ${running}`)
      if (over.has(executionId)) found.push(`${executionId} starts at ${seq}, after its end`)
      running = executionId
    }
    if (!ends) continue
    over.add(executionId)
    if (running === executionId) running = null
  }
  return found
}

/** Every viewer saw the log, in its order, from its first event to its last. */
const viewers: Check = ({ viewers: all, events, messages }) => {
  const compacted = compactedIn(events)
  const logged = new Map(events.map((event) => [event.seq, event]))
  return all.flatMap(({ name, events: seen, messages: shown, broken }) => {
    const ids = new Set(seen.map(({ eventId }) => eventId))
    const disorder = seen.filter(({ eventId }, i) => i > 0 && eventId <= (seen[i - 1]?.eventId ?? 0))
    const strange = seen.filter((event) => {
      const row = logged.get(event.eventId)
      return row ? !isSame(event, row) : !compacted.has(event.eventId)
    })
    const unseen = events.filter(({ seq }) => !ids.has(seq))
    return [
      ...(broken === null ? [] : [`${name} was turned away: ${broken}`]),
      ...disorder.map(({ eventId }) => `${name} saw ${eventId} too late, or again`),
      ...strange.map(({ eventId }) => `${name} saw another ${eventId} than the log has`),
      ...unseen.map(({ seq }) => `${name} never saw ${seq}`),
      ...(isDeepStrictEqual(shown, messages) ? [] : [`${name} has another conversation than the server`]),
    ]
  })
}

/** One commit for each completed execution that changed something, and none that nobody asked for. */
const commits: Check = ({ commits: named, accepted: ids, writing, executions, events }) => {
  const completed = new Set(executions.filter(({ state }) => state === 'completed').map(({ id }) => id))
  const warned = new Set(
    events.filter(({ type, data }) => type === 'finalization' && hasFailed(data)).map((it) => it.executionId),
  )
  return [
    ...named.filter((id, i) => named.indexOf(id) !== i).map((id) => `${id} has two commits`),
    ...named.filter((id) => !ids.includes(id)).map((id) => `a commit names ${id}, which is nobody's`),
    ...writing
      .filter((id) => completed.has(id) && !named.includes(id) && !warned.has(id))
      .map((id) => `${id} has completed without a commit`),
  ]
}

/** Whose answer was taken: it alone is in the log, once; and nothing is asked any more when everything is over. */
const answers: Check = ({ asks, answered, events }) => {
  const closings = events.flatMap(({ type, data }) => closingOf(type, data) ?? [])
  return [
    ...asks.filter(({ state }) => state === 'open').map(({ id }) => `${id} is still open`),
    ...asks
      .filter(({ id, state }) => state !== 'open' && closings.filter(({ ask }) => ask === id).length !== 1)
      .map(({ id }) => `${id} does not have one closing event`),
    ...answered
      .filter(({ ask, answer }) => !closings.some((it) => it.ask === ask && isDeepStrictEqual(it.answers, [[answer]])))
      .map(({ ask, answer }) => `${answer} was taken for ${ask}, and the log says another thing`),
  ]
}

/** Everybody who is owed the end of an execution is told of it: with one key, one body, and what has become of it. */
const callbacks: Check = ({ executions, callbacks: owed, told }) =>
  executions.flatMap(({ id, state }) => {
    const states = owed.filter(({ executionId }) => executionId === id).map((row) => row.state)
    const bodies = told.filter(({ executionId }) => executionId === id)
    return [
      ...(isDeepStrictEqual(states, ['delivered']) ? [] : [`the callbacks of ${id} are [${states}]`]),
      ...(bodies.length > 0 ? [] : [`nobody was told of the end of ${id}`]),
      ...(new Set(bodies.map(({ body }) => body)).size > 1 ? [`two different things were told of ${id}`] : []),
      ...(bodies.every(({ key }) => key === id) ? [] : [`${id} was told under another key`]),
      ...(bodies.every(({ status }) => status === state) ? [] : [`${id} is ${state}, and another end was told`]),
    ]
  })

/** A new message works when everything is over. */
const next: Check = ({ last, executions }) => {
  const state = executions.find(({ id }) => id === last)?.state
  return state === 'completed' ? [] : [`the message at the end is ${state ?? 'not taken'}`]
}

const checks: Record<string, Check> = {
  numbers,
  origins,
  history,
  'agents own': agentsOwn,
  accepted,
  endings,
  fifo,
  'one running': oneRunning,
  viewers,
  commits,
  answers,
  callbacks,
  'next message': next,
}

/** Each with what it says of a run. */
export const rules: readonly string[] = [...Object.keys(checks), 'left behind', 'stuck']

export function violationsIn({ sessions, leftBehind, stuck }: Evidence): Violation[] {
  return [
    ...sessions.flatMap((evidence) =>
      Object.entries(checks).flatMap(([rule, check]) =>
        check(evidence).map((what) => ({ rule, session: evidence.session, what })),
      ),
    ),
    ...leftBehind.map((what) => ({ rule: 'left behind', session: null, what })),
    ...stuck.map((what) => ({ rule: 'stuck', session: null, what })),
  ]
}

const isSame = (event: SeenEvent, row: LoggedEvent): boolean =>
  event.streamEventType === row.type &&
  (event.executionId ?? null) === row.executionId &&
  isDeepStrictEqual(event.data, JSON.parse(row.data))

/** By an answer, or without one. */
function closingOf(type: string, data: string): { ask: string; answers: unknown } | null {
  if (type !== 'kilocode') return null
  const event = JSON.parse(data)
  const closes = event.type === 'question.replied' || event.type === 'question.rejected'
  return closes ? { ask: event.properties.requestID, answers: event.properties.answers ?? null } : null
}

const hasFailed = (data: string): boolean => JSON.parse(data).success === false
const executionsOf = (events: LoggedEvent[]): string[] => events.flatMap(({ executionId }) => executionId ?? [])
const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1)
