/** The checker finds each violation that is put into a whole that has none. */
import { expect, test } from 'vitest'
import { rules, violationsIn } from './checker.ts'
import type { Evidence, LoggedEvent, SessionEvidence } from './judged.ts'

const rest = { executionId: null, data: '{}', epoch: null, n: null, ends: false, deltas: null }

/** Two turns, one after the other; of the first, two deltas are compacted away. */
const log: LoggedEvent[] = [
  { ...rest, seq: 1, type: 'queued', executionId: 'one' },
  { ...rest, seq: 2, type: 'queued', executionId: 'two' },
  { ...rest, seq: 3, type: 'started', executionId: 'one', epoch: 1, n: 1 },
  { ...rest, seq: 6, type: 'kilocode', executionId: 'one', data: '{"a":1}', epoch: 1, n: 4, deltas: '[[4,3],[1,2]]' },
  { ...rest, seq: 7, type: 'complete', executionId: 'one', ends: true },
  { ...rest, seq: 8, type: 'started', executionId: 'two', epoch: 1, n: 5 },
  { ...rest, seq: 9, type: 'interrupted', executionId: 'two', ends: true },
  { ...rest, seq: 10, type: 'queued', executionId: 'last' },
  { ...rest, seq: 11, type: 'started', executionId: 'last', epoch: 2, n: 1 },
  { ...rest, seq: 12, type: 'complete', executionId: 'last', ends: true },
]

const seenOf = (events: LoggedEvent[]) =>
  events.map(({ seq, type, executionId, data }) => ({
    eventId: seq,
    streamEventType: type,
    ...(executionId && { executionId }),
    data: JSON.parse(data),
  }))

const over = { stopped: true, finalization: 'done' }
function toldOf(executionId: string, status: string) {
  return { key: executionId, executionId, status, body: JSON.stringify({ executionId, status }) }
}

const whole: SessionEvidence = {
  session: 'session',
  accepted: ['one', 'two', 'last'],
  writing: ['one'],
  last: 'last',
  executions: [
    { id: 'one', state: 'completed', ...over },
    { id: 'two', state: 'interrupted', ...over },
    { id: 'last', state: 'completed', ...over },
  ],
  events: log,
  viewers: [{ name: 'somebody', events: seenOf(log), messages: ['hello'], histories: ['h'], broken: null }],
  messages: ['hello'],
  answers: [{ executionId: 'one', ours: ['hello'], theirs: ['hello'] }],
  commits: ['one'],
  asks: [],
  answered: [],
  callbacks: ['one', 'two', 'last'].map((executionId) => ({ executionId, state: 'delivered' })),
  told: [toldOf('one', 'completed'), toldOf('two', 'interrupted'), toldOf('last', 'completed')],
}

/** The rules that have found something so far. */
const named: string[] = []

function check(changed: Partial<SessionEvidence>, more: Partial<Evidence> = {}): string[] {
  const found = violationsIn({ sessions: [{ ...whole, ...changed }], leftBehind: [], stuck: [], ...more })
  named.push(...found.map(({ rule }) => rule))
  return found.map(({ rule, what }) => `${rule}: ${what}`)
}

const without = (seq: number) => log.filter((event) => event.seq !== seq)
const changed = (seq: number, change: Partial<LoggedEvent>) =>
  log.map((event) => (event.seq === seq ? { ...event, ...change } : event))
const watched = (events: LoggedEvent[]) => [
  { name: 'somebody', events: seenOf(events), messages: ['hello'], histories: ['h'], broken: null },
]
/** A log, and somebody who saw all of it. */
const logged = (events: LoggedEvent[]) => ({ events, viewers: watched(events) })

test('a whole has no violation, also for who saw the deltas that are gone now', () => {
  const deltas = [4, 5].map((seq) => ({ ...rest, seq, type: 'kilocode', executionId: 'one' }))
  const live = [...log.slice(0, 3), ...deltas, ...log.slice(3)]
  expect(check({})).toEqual([])
  expect(check({ viewers: watched(live) })).toEqual([])
})

test('a gap, and a double', () => {
  expect(check(logged(without(1)))).toEqual(['numbers: number 1 is missing'])
  expect(check(logged(changed(6, { deltas: null })))).toEqual([
    'numbers: number 4 is missing',
    'numbers: number 5 is missing',
  ])
  expect(check({ events: [...log.slice(0, 4), ...log.slice(3)] })).toEqual([
    'numbers: number 6 is given twice',
    'origins: event 6 is 1/4 once more',
  ])
})

test('what came from below, again', () => {
  expect(check(logged(changed(8, { n: 3 })))).toEqual(['origins: event 8 is 1/3 behind 1/4'])
})

test('what came from below, twice and directly behind itself; but one word may become two events', () => {
  const of = (seq: number, data: string) => ({
    ...rest,
    seq,
    type: 'kilocode',
    executionId: 'last',
    data,
    epoch: 2,
    n: 2,
  })
  expect(check(logged([...log, of(13, '{"a":1}'), of(14, '{"a":1}')]))).toEqual(['origins: event 14 is 2/2 once more'])
  expect(check(logged([...log, of(13, '{"a":1}'), of(14, '{"a":2}')]))).toEqual([])
})

test('a log that was replaced on the way', () => {
  const viewers = [...watched(log), ...watched(log).map((viewer) => ({ ...viewer, histories: ['other'] }))]
  expect(check({ viewers })).toEqual(['history: the log was replaced: h,other'])
})

test('an answer that is not the agent’s own', () => {
  expect(check({ answers: [{ executionId: 'one', ours: ['hel'], theirs: ['hello'] }] })).toEqual([
    "agents own: the answer of one is not the agent's own",
  ])
})

test('a finalization that never ends, and an answer to a callback of something else', () => {
  const pending = whole.executions.map((row) => (row.id === 'one' ? { ...row, finalization: 'pending' } : row))
  expect(check({ executions: pending })).toEqual(['endings: the finalization of one is pending'])
})

test('a message that is lost, and one that is doubled', () => {
  expect(check({ accepted: ['one', 'two', 'last', 'four'] })).toEqual(['accepted: four was accepted and is lost'])
  expect(check({ accepted: ['one', 'last'] })).toEqual(['accepted: two was never accepted, or doubled'])
})

test('two ending events, none, another one than the state, and no final state', () => {
  const twice = { ...rest, seq: 13, type: 'error', executionId: 'last', ends: true }
  expect(check(logged([...log, twice]))).toEqual([
    'endings: last has 2 ending events',
    'endings: last is completed, and its ending event says completed,failed',
  ])
  expect(check(logged(changed(12, { ends: false })))).toEqual(['endings: last has 0 ending events'])
  expect(check(logged(changed(9, { type: 'complete' })))).toEqual([
    'endings: two is interrupted, and its ending event says completed',
  ])
  const running = whole.executions.map((row) => (row.id === 'two' ? { ...row, state: 'running', stopped: false } : row))
  expect(check({ executions: running })).toEqual([
    'endings: two is running, and its ending event says interrupted',
    'endings: two is still running',
    'endings: two was never said to be stopped',
    'callbacks: two is running, and another end was told',
  ])
})

test('an order that is not that of the queue', () => {
  const [one, two, last] = log.filter(({ type }) => type === 'started')
  const events = log.map((event) => {
    if (event === one) return { ...event, executionId: 'two' }
    if (event === two) return { ...event, executionId: 'one' }
    return event === last ? last : event
  })
  expect(check(logged(events))).toContain('fifo: starts are in the order two,one,last, accepted was one,two,last')
  expect(check({ accepted: ['two', 'one', 'last'] })).toHaveLength(4)
})

test('two that run at once, and one that runs after its end', () => {
  const early = { ...rest, seq: 4, type: 'started', executionId: 'two' }
  expect(check(logged([...log.slice(0, 3), early, ...log.slice(3)]))).toEqual([
    'one running: two starts at 4 beside one',
  ])
  const late = { ...rest, seq: 13, type: 'started', executionId: 'last' }
  expect(check(logged([...log, late]))).toEqual(['one running: last starts at 13, after its end'])
})

test('a viewer that saw something else, not all, not in order, or was turned away', () => {
  const viewing = (events: LoggedEvent[]) => check({ viewers: watched(events) })
  expect(viewing(changed(6, { data: '{"a":2}' }))).toEqual(['viewers: somebody saw another 6 than the log has'])
  expect(viewing([...log, { ...rest, seq: 13, type: 'status' }])).toEqual([
    'viewers: somebody saw another 13 than the log has',
  ])
  expect(viewing(without(9))).toEqual(['viewers: somebody never saw 9'])
  expect(viewing([...log, ...log.slice(-1)])).toEqual(['viewers: somebody saw 12 too late, or again'])
  const viewer = { name: 'somebody', events: seenOf(log), messages: ['hello'], histories: ['h'], broken: null }
  expect(check({ viewers: [{ ...viewer, messages: [] }] })).toEqual([
    'viewers: somebody has another conversation than the server',
  ])
  expect(check({ viewers: [{ ...viewer, broken: 'no' }] })).toEqual(['viewers: somebody was turned away: no'])
})

test('two commits of one execution, none, and one of nobody', () => {
  expect(check({ commits: ['one', 'one'] })).toEqual(['commits: one has two commits'])
  expect(check({ commits: [] })).toEqual(['commits: one has completed without a commit'])
  expect(check({ commits: ['one', 'x'] })).toEqual(["commits: a commit names x, which is nobody's"])
  const warning = { ...rest, seq: 13, type: 'finalization', executionId: 'one', data: '{"success":false}' }
  expect(check({ ...logged([...log, warning]), commits: [] })).toEqual([])
})

const closing = (seq: number, answers: string[][] | null): LoggedEvent => ({
  ...rest,
  seq,
  type: 'kilocode',
  executionId: 'one',
  data: JSON.stringify(
    answers
      ? { type: 'question.replied', properties: { requestID: 'ask', answers } }
      : { type: 'question.rejected', properties: { requestID: 'ask' } },
  ),
})

test('an answer that was taken and is not in the log, or is there twice, and a question that stays open', () => {
  const asked = { asks: [{ id: 'ask', state: 'answered' }], answered: [{ ask: 'ask', answer: 'Red' }] }
  const after = (...closings: LoggedEvent[]) => check({ ...asked, ...logged([...log, ...closings]) })
  expect(after(closing(13, [['Red']]))).toEqual([])
  expect(after(closing(13, [['Blue']]))).toEqual(['answers: Red was taken for ask, and the log says another thing'])
  expect(after(closing(13, null))).toEqual(['answers: Red was taken for ask, and the log says another thing'])
  expect(after(closing(13, [['Red']]), closing(14, [['Red']]))).toEqual([
    'answers: ask does not have one closing event',
  ])
  expect(check({ asks: [{ id: 'ask', state: 'open' }] })).toEqual(['answers: ask is still open'])
})

test('a callback that is lost, told to nobody, told twice and not the same, or of another end', () => {
  const owed = (state: string) => whole.callbacks.map((row) => (row.executionId === 'two' ? { ...row, state } : row))
  expect(check({ callbacks: owed('dead') })).toEqual(['callbacks: the callbacks of two are [dead]'])
  expect(check({ callbacks: whole.callbacks.slice(1) })).toEqual(['callbacks: the callbacks of one are []'])
  expect(check({ told: whole.told.slice(1) })).toEqual(['callbacks: nobody was told of the end of one'])
  const again = toldOf('one', 'completed')
  expect(check({ told: [...whole.told, again] })).toEqual([])
  expect(check({ told: [...whole.told, { ...again, key: 'other' }] })).toEqual([
    'callbacks: one was told under another key',
  ])
  expect(check({ told: [...whole.told, toldOf('one', 'failed')] })).toEqual([
    'callbacks: two different things were told of one',
    'callbacks: one is completed, and another end was told',
  ])
})

test('a session that takes no message any more, what is left behind, and what is stuck', () => {
  expect(check({ last: null })).toEqual(['next message: the message at the end is not taken'])
  expect(check({}, { leftBehind: ['a socket'], stuck: ['a turn'] })).toEqual(['left behind: a socket', 'stuck: a turn'])
})

test('every rule has found something above', () => {
  expect(new Set(named)).toEqual(new Set(rules))
})
