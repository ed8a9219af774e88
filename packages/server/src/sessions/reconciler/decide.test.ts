import { describe, expect, it } from 'vitest'
import { defaultTimers } from '../../config.ts'
import type { SandboxState } from '../../database/schema.ts'
import type { Neighbors } from '../placement/neighbors.ts'
import { type AskFacts, decide, type ExecutionFacts, type SessionFacts } from './decide.ts'

const now = new Date('2026-01-01T12:00:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
const inMs = (ms: number) => new Date(now.getTime() + ms)
const minutes = 60_000

const execution = (facts: Partial<ExecutionFacts> = {}): ExecutionFacts => ({
  id: 'exec_A',
  attempt: 0,
  sentLink: null,
  deliveredAt: null,
  startedAt: null,
  endedAt: null,
  stoppedAt: null,
  finalization: 'none',
  ...facts,
})
const running = (facts: Partial<NonNullable<SessionFacts['running']>> = {}) => ({
  ...execution({ attempt: 1, sentLink: 'link-1', deliveredAt: ago(1 * minutes) }),
  lastProgressAt: ago(1_000),
  toolRunning: false,
  asks: [],
  ...facts,
})
const ended = (facts: Partial<ExecutionFacts> = {}) =>
  execution({ id: 'exec_E', attempt: 1, deliveredAt: ago(5 * minutes), endedAt: ago(1_000), ...facts })

/** A session whose sandbox, link and workspace are ready and which has nothing to do. */
const ready = (facts: Partial<SessionFacts> = {}): SessionFacts => ({
  session: { state: 'open', preparedAt: ago(10 * minutes) },
  executionLimitMs: null,
  workspace: {
    ...{ state: 'ready', sentLink: 'link-1', preparingSince: null, readyBoot: 'boot-1', agentUntil: null },
    ...{ warmUp: 'over', warmingSince: null },
  },
  sandbox: { state: 'ready', attempt: 0, bootId: 'boot-1', unreachableSince: null, neighbors: 'none' },
  link: { id: 'link-1', sinceMs: 10 * minutes, serves: true },
  running: null,
  ending: [],
  next: null,
  mayStartAgent: true,
  untouchedSince: null,
  room: 'enough',
  waitsForRoomSince: null,
  uncompacted: null,
  watchingForMs: 60 * minutes,
  ...facts,
})
const sandbox = (facts: Partial<NonNullable<SessionFacts['sandbox']>>) => ({
  state: 'ready' as const,
  attempt: 0,
  bootId: 'boot-1',
  unreachableSince: null,
  neighbors: 'none' as const,
  ...facts,
})
const linked = { id: 'link-1', sinceMs: 10 * minutes, serves: true }
const decided = (facts: SessionFacts) => decide(facts, now, defaultTimers)

describe('a session with nothing to do', () => {
  it('waits for a wake', () => expect(decided(ready())).toEqual({ do: 'wait', until: null }))

  it('has its agent stopped once that has been idle for long enough', () => {
    const idle = (agentUntil: Date) => ready({ workspace: { ...ready().workspace, agentUntil } })
    expect(decided(idle(inMs(1_000)))).toEqual({ do: 'wait', until: inMs(1_000) })
    expect(decided(idle(ago(1)))).toEqual({ do: 'stopAgent' })
  })

  it('is warmed when it is prepared and not initiated', () => {
    const prepared = { state: 'prepared' as const, preparedAt: ago(1_000) }
    const cold = ready({
      session: prepared,
      sandbox: null,
      link: null,
      workspace: { ...ready().workspace, state: 'absent', warmUp: 'due' },
    })
    expect(decided(cold)).toEqual({ do: 'takeSandbox' })
    expect(decided({ ...cold, sandbox: sandbox({ state: 'stopped' }) })).toEqual({ do: 'startSandbox' })
    expect(decided(warming({ warmUp: 'due' }))).toEqual({ do: 'warmAgent' })
    expect(decided(warming({ warmUp: 'running', warmingSince: ago(1_000) }))).toEqual({
      do: 'wait',
      until: inMs(defaultTimers.warmUpMs - 1_000),
    })
    expect(decided(warming({ warmUp: 'over', agentUntil: inMs(1_000) }))).toEqual({ do: 'wait', until: inMs(1_000) })
  })

  const warming = (facts: Partial<SessionFacts['workspace']>, more: Partial<SessionFacts> = {}) =>
    ready({
      session: { state: 'prepared', preparedAt: ago(1_000) },
      workspace: { ...ready().workspace, ...facts },
      ...more,
    })

  it('is warmed behind those whose agent somebody waits for', () => {
    expect(decided(warming({ warmUp: 'due' }, { mayStartAgent: false }))).toEqual({
      do: 'wait',
      until: inMs(defaultTimers.agentTurnMs),
    })
  })

  it('is warmed again on a new link, and not for ever', () => {
    const since = (ms: number) => warming({ warmUp: 'running', warmingSince: ago(ms), sentLink: 'link-0' })
    expect(decided(since(1_000))).toEqual({ do: 'warmAgent' })
    expect(decided(since(defaultTimers.warmUpMs))).toEqual({ do: 'wait', until: null })
  })

  it('once prepared goes idle like any other, and does not come back by itself', () => {
    expect(decided(warming({ agentUntil: ago(1) }))).toEqual({ do: 'stopAgent' })
    const gone = { link: null, sandbox: sandbox({ state: 'stopped' }) }
    for (const state of ['ready', 'failed', 'absent'] as const) {
      expect(decided(warming({ state, warmUp: 'over' }, gone))).toEqual({ do: 'wait', until: null })
    }
    expect(decided(warming({ state: 'ready', warmUp: 'due' }, gone))).toEqual({ do: 'wait', until: null })
  })

  it('prepared and never initiated is collected like any other', () => {
    const untouched = warming({}, { untouchedSince: ago(1_000) })
    expect(decided(untouched)).toEqual({ do: 'wait', until: inMs(defaultTimers.sessionKeptMs - 1_000) })
    const gone = { link: null, sandbox: sandbox({ state: 'stopped' }), untouchedSince: ago(1_000) }
    expect(decided(warming({}, gone))).toEqual({ do: 'wait', until: inMs(defaultTimers.sessionKeptMs - 1_000) })
  })

  it('that is initiated warms nothing up', () => {
    expect(decided(ready({ workspace: { ...ready().workspace, warmUp: 'due' } }))).toEqual({ do: 'wait', until: null })
  })

  it('does not try to warm for ever what cannot be started', () => {
    const failing = { session: { state: 'prepared' as const, preparedAt: ago(1_000) }, link: null }
    const absent = { workspace: { ...ready().workspace, state: 'absent' as const, warmUp: 'due' as const } }
    expect(decided(ready({ ...failing, ...absent, sandbox: sandbox({ state: 'stopped', attempt: 3 }) }))).toEqual({
      do: 'wait',
      until: null,
    })
    expect(
      decided(ready({ ...failing, link: ready().link, workspace: { ...ready().workspace, state: 'failed' } })),
    ).toEqual({
      do: 'wait',
      until: null,
    })
  })
})

describe('a queued message', () => {
  const next = execution({ id: 'exec_N' })

  it.each([
    ['no sandbox yet', { sandbox: null, link: null }, { do: 'takeSandbox' }],
    ['a stopped sandbox', { sandbox: sandbox({ state: 'stopped' }), link: null }, { do: 'startSandbox' }],
    ['a sandbox that starts', { sandbox: sandbox({ state: 'starting' }), link: null }, { do: 'wait', until: null }],
    ['a sandbox that stops', { sandbox: sandbox({ state: 'stopping' }) }, { do: 'wait', until: null }],
    ['a sandbox out of sight', { sandbox: sandbox({ state: 'unreachable' }), link: null }, { do: 'wait', until: null }],
    ['a ready sandbox between two links', { link: null }, { do: 'wait', until: null }],
    ['a link that was there before', { link: { ...linked, serves: false } }, { do: 'enterSandbox' }],
    ['everything ready', {}, { do: 'deliver', executionId: 'exec_N' }],
  ] as const)('with %s', (_, facts, action) => {
    expect(decided(ready({ next, ...facts }))).toEqual(action)
  })

  it('fails with the sandbox when that could not be started three times', () => {
    expect(decided(ready({ next, link: null, sandbox: sandbox({ state: 'stopped', attempt: 3 }) }))).toMatchObject({
      do: 'failPreparation',
      reason: 'sandbox_start_failed',
    })
  })

  const workspace = (facts: Partial<SessionFacts['workspace']>) => ({ workspace: { ...ready().workspace, ...facts } })
  it.each([
    ['absent', workspace({ state: 'absent' }), { do: 'prepareWorkspace', again: false }],
    ['failed before', workspace({ state: 'failed' }), { do: 'prepareWorkspace', again: false }],
    ['ready in an earlier boot', workspace({ readyBoot: 'boot-0' }), { do: 'prepareWorkspace', again: false }],
    [
      'being prepared',
      workspace({ state: 'preparing', preparingSince: ago(2 * minutes) }),
      { do: 'wait', until: inMs(10 * minutes) },
    ],
    [
      'asked for on a link that is gone',
      workspace({ state: 'preparing', sentLink: 'link-0', preparingSince: ago(2 * minutes) }),
      { do: 'prepareWorkspace', again: true },
    ],
  ] as const)('with a workspace %s', (_, facts, action) => {
    expect(decided(ready({ next, ...facts }))).toEqual(action)
  })

  it('fails when preparation takes too long', () => {
    const slow = workspace({ state: 'preparing', preparingSince: ago(12 * minutes) })
    expect(decided(ready({ next, ...slow }))).toMatchObject({ do: 'failPreparation', reason: 'preparation_timeout' })
  })

  it('waits while as many agents start as may, unless its own runs already', () => {
    const crowded = ready({ next, mayStartAgent: false })
    expect(decided(crowded)).toEqual({ do: 'wait', until: inMs(1_000) })
    const agentUntil = inMs(5 * minutes)
    expect(decided({ ...crowded, workspace: { ...crowded.workspace, agentUntil } }).do).toBe('deliver')
    const warming = (since: Date) => ({ warmUp: 'running' as const, warmingSince: since })
    const withStart = (since: Date) => ({ ...crowded, workspace: { ...crowded.workspace, ...warming(since) } })
    expect(decided(withStart(ago(1_000))).do, 'it is being started').toBe('deliver')
    expect(decided(withStart(ago(defaultTimers.warmUpMs))).do, 'nothing is heard of that').toBe('wait')
  })

  it('waits for the one that runs', () => {
    expect(decided(ready({ next, running: running() })).do).toBe('wait')
  })
})

describe('a running execution', () => {
  it('waits for the first of its deadlines', () => {
    expect(decided(ready({ running: running() }))).toEqual({ do: 'wait', until: inMs(7 * minutes - 1_000) })
  })

  it('is delivered again on a new link, with the same attempt', () => {
    expect(decided(ready({ running: running({ sentLink: 'link-0' }) }))).toEqual({
      do: 'deliver',
      executionId: 'exec_A',
    })
  })

  it('fails with its sandbox', () => {
    for (const state of ['stopped', 'stopping'] as const) {
      expect(decided(ready({ running: running(), sandbox: sandbox({ state }) }))).toMatchObject({
        do: 'fail',
        reason: 'sandbox_lost',
      })
    }
  })

  it('outlives a silence of 90 seconds and no more', () => {
    const silent = (ms: number) =>
      ready({ running: running(), link: null, sandbox: sandbox({ state: 'unreachable', unreachableSince: ago(ms) }) })
    expect(decided(silent(89_000))).toEqual({ do: 'wait', until: inMs(1_000) })
    expect(decided(silent(90_000))).toMatchObject({ do: 'fail', reason: 'sandbox_lost' })
  })

  it('is not blamed for silence while the server itself could not see', () => {
    const facts = ready({
      running: running({ lastProgressAt: ago(30 * minutes), deliveredAt: ago(40 * minutes) }),
      link: null,
      sandbox: sandbox({ state: 'unreachable', unreachableSince: ago(20 * minutes) }),
      watchingForMs: 2_000,
    })
    expect(decided(facts)).toEqual({ do: 'wait', until: inMs(88_000) })
  })

  it('fails without progress for seven minutes, unless a tool runs', () => {
    const silent = { lastProgressAt: ago(7 * minutes), deliveredAt: ago(20 * minutes) }
    expect(decided(ready({ running: running(silent) }))).toMatchObject({ do: 'fail', reason: 'no_progress' })
    expect(decided(ready({ running: running({ ...silent, toolRunning: true }) })).do).toBe('wait')
  })

  it('ends at its limit, tool or not', () => {
    const long = { deliveredAt: ago(120 * minutes), toolRunning: true }
    expect(decided(ready({ running: running(long) }))).toMatchObject({ do: 'fail', reason: 'execution_limit' })
    expect(decided(ready({ running: running(long), executionLimitMs: 24 * 60 * minutes })).do).toBe('wait')
    const short = running({ deliveredAt: ago(2_000), lastProgressAt: ago(10) })
    expect(decided(ready({ running: short })).do).toBe('wait')
    expect(decided(ready({ running: short, executionLimitMs: 1_000 }))).toMatchObject({ reason: 'execution_limit' })
  })
})

describe('an ask of a running execution', () => {
  const ask = (facts: Partial<AskFacts> = {}): AskFacts => ({
    id: 'que_1',
    state: 'open',
    askedAt: ago(10 * minutes),
    deadlineMs: 30 * minutes,
    sentLink: null,
    sentAt: null,
    ...facts,
  })
  const asked = (asks: AskFacts[], facts: Partial<SessionFacts> = {}) =>
    ready({ running: running({ asks, lastProgressAt: ago(60 * minutes), deliveredAt: ago(61 * minutes) }), ...facts })

  it('stops the clock of progress, and waits no longer than its deadline', () => {
    expect(decided(asked([ask()])).do).toBe('wait')
    expect(decided(asked([ask({ askedAt: ago(29 * minutes) })]))).toEqual({ do: 'wait', until: inMs(1 * minutes) })
    expect(decided(asked([ask(), ask({ id: 'per_2', askedAt: ago(30 * minutes) })]))).toEqual({
      do: 'expireAsk',
      askId: 'per_2',
    })
  })

  it('is not expired by an outage of ours', () => {
    const away = asked([ask({ askedAt: ago(90 * minutes) })], { watchingForMs: 1 * minutes })
    expect(decided(away).do).toBe('wait')
  })

  it.each(['answered', 'expired'] as const)(
    'that is %s goes to the agent: once per link, and again unconfirmed',
    (state) => {
      const sent = (sentLink: string | null, msAgo: number) =>
        asked([ask({ state, sentLink, sentAt: sentLink === null ? null : ago(msAgo) })], {
          running: { ...running({ asks: [ask({ state, sentLink, sentAt: ago(msAgo) })] }) },
        })
      expect(decided(sent(null, 0))).toEqual({ do: 'answer', askId: 'que_1' })
      expect(decided(sent('link-0', 1_000))).toEqual({ do: 'answer', askId: 'que_1' })
      expect(decided(sent('link-1', 1_000))).toEqual({ do: 'wait', until: inMs(9_000) })
      expect(decided(sent('link-1', 10_000))).toEqual({ do: 'answer', askId: 'que_1' })
    },
  )

  it('that is answered waits for the link, and starts the clock of progress again', () => {
    const answered = ask({ state: 'answered' })
    expect(decided(asked([answered], { link: null })).do).toBe('fail')
    const recently = running({ asks: [answered] })
    expect(decided(ready({ running: recently, link: null }))).toEqual({
      do: 'wait',
      until: inMs(7 * minutes - 1_000),
    })
  })
})

describe('an ended execution that may still run', () => {
  const next = execution({ id: 'exec_N' })

  it('is interrupted before anything else is delivered', () => {
    expect(decided(ready({ ending: [ended()], next }))).toEqual({ do: 'interrupt', executionId: 'exec_E' })
  })

  const asked = (endedMsAgo: number, sinceMs = 10 * minutes) =>
    ready({
      ending: [ended({ sentLink: 'link-1', endedAt: ago(endedMsAgo) })],
      link: { ...linked, sinceMs },
      next,
    })

  it('is asked once per link, and its sandbox is stopped when it does not answer', () => {
    expect(decided(asked(10_000))).toEqual({ do: 'wait', until: inMs(20_000) })
    expect(decided(asked(30_000))).toEqual({ do: 'stopSandbox', unless: ['busy'] })
    expect(decided(asked(30_000, 5_000))).toEqual({ do: 'wait', until: inMs(25_000) })
  })

  it('is asked again when the question was lost, but not for ever of a supervisor that lives and answers nothing', () => {
    const unanswered = (endedMsAgo: number, neighbors: Neighbors = 'none') =>
      decided({
        ...asked(endedMsAgo),
        ending: [ended({ sentLink: null, endedAt: ago(endedMsAgo) })],
        sandbox: sandbox({ neighbors }),
      })
    expect(unanswered(34_000)).toEqual({ do: 'interrupt', executionId: 'exec_E' })
    expect(unanswered(35_000)).toEqual({ do: 'stopSandbox', unless: ['busy'] })
    expect(unanswered(35_000, 'busy')).toEqual({ do: 'interrupt', executionId: 'exec_E' })
  })

  it('does not cost its neighbors their work: the sandbox is stopped once they have none', () => {
    const among = (neighbors: Neighbors) => decided({ ...asked(30_000), sandbox: sandbox({ neighbors }) })
    expect(among('busy')).toEqual({ do: 'wait', until: inMs(30_000) })
    expect(among('idle')).toEqual({ do: 'stopSandbox', unless: ['busy'] })
  })

  it('has stopped with its sandbox', () => {
    expect(decided(ready({ ending: [ended()], sandbox: sandbox({ state: 'stopped' }), link: null, next }))).toEqual({
      do: 'settleStopped',
      executionId: 'exec_E',
    })
  })
})

describe('finalization', () => {
  const pending = ended({ finalization: 'pending', stoppedAt: ago(1_000) })
  const next = execution({ id: 'exec_N' })

  it('comes before the next message', () => {
    expect(decided(ready({ ending: [pending], next }))).toEqual({ do: 'finalize', executionId: 'exec_E' })
    expect(decided(ready({ ending: [{ ...pending, sentLink: 'link-1' }], next }))).toEqual({
      do: 'wait',
      until: inMs(3 * minutes - 1_000),
    })
  })

  it('brings a stopped sandbox back', () => {
    expect(decided(ready({ ending: [pending], sandbox: sandbox({ state: 'stopped' }), link: null }))).toEqual({
      do: 'startSandbox',
    })
  })

  it('is given up after three minutes, whatever stands in its way', () => {
    const late = { ...pending, endedAt: ago(3 * minutes) }
    expect(decided(ready({ ending: [late], next }))).toEqual({ do: 'giveUpFinalization', executionId: 'exec_E' })
    expect(decided(ready({ ending: [late], link: null, sandbox: sandbox({ state: 'starting' }) })).do).toBe(
      'giveUpFinalization',
    )
  })
})

describe('the log of an execution that has stopped', () => {
  const stopped = (ms: number) => ({ uncompacted: { id: 'exec_E' as const, stoppedAt: ago(ms) } })

  it('is compacted a minute later, when there is nothing better to do', () => {
    expect(decided(ready(stopped(59_000)))).toEqual({ do: 'wait', until: inMs(1_000) })
    expect(decided(ready(stopped(60_000)))).toEqual({ do: 'compact', executionId: 'exec_E' })
    expect(decided(ready({ ...stopped(60_000), running: running() })).do).toBe('compact')
    expect(decided(ready({ ...stopped(60_000), next: execution() })).do).toBe('deliver')
  })
})

describe('a deleted session', () => {
  const deleted = { session: { state: 'deleted' as const, preparedAt: null } }

  it('goes once its sandbox has stopped', () => {
    expect(decided(ready(deleted))).toEqual({ do: 'stopSandbox', unless: ['idle', 'busy'] })
    expect(decided(ready({ ...deleted, sandbox: sandbox({ state: 'stopping' }) }))).toEqual({ do: 'wait', until: null })
    expect(decided(ready({ ...deleted, sandbox: sandbox({ state: 'stopped' }) }))).toEqual({ do: 'remove' })
    expect(decided(ready({ ...deleted, sandbox: null }))).toEqual({ do: 'remove' })
  })

  it('leaves a sandbox that others are in, as soon as that is there', () => {
    for (const neighbors of ['idle', 'busy'] as const) {
      const among = (state: SandboxState) => ({ ...deleted, sandbox: sandbox({ state, neighbors }) })
      expect(decided(ready(among('ready')))).toEqual({ do: 'remove' })
      expect(decided(ready({ ...among('ready'), link: null }))).toEqual({ do: 'wait', until: null })
      for (const state of ['starting', 'unreachable', 'stopping'] as const)
        expect(decided(ready(among(state)))).toEqual({ do: 'wait', until: null })
      expect(decided(ready(among('stopped')))).toEqual({ do: 'remove' })
    }
  })
})

describe('what lies on disk for a session', () => {
  const day = 24 * 60 * minutes
  const stopped = { sandbox: sandbox({ state: 'stopped' }), link: null }
  const collecting = { workspace: { ...ready().workspace, state: 'collecting' as const } }

  it('is collected when nobody has touched it for 90 days, once its sandbox has stopped', () => {
    expect(decided(ready({ untouchedSince: ago(day) }))).toEqual({ do: 'wait', until: inMs(89 * day) })
    expect(decided(ready({ untouchedSince: ago(90 * day) }))).toEqual({ do: 'stopSandbox', unless: ['idle', 'busy'] })
    expect(decided(ready({ ...stopped, untouchedSince: ago(90 * day) }))).toEqual({
      do: 'collect',
      checkpointToo: true,
    })
    const never = { ...stopped, session: { state: 'prepared' as const, preparedAt: ago(90 * day) } }
    expect(decided(ready({ ...never, untouchedSince: ago(90 * day) }))).toEqual({ do: 'collect', checkpointToo: true })
  })

  it('is not collected while there is work, and not again when it is gone', () => {
    expect(decided(ready({ untouchedSince: ago(90 * day), next: execution() }))).toMatchObject({ do: 'deliver' })
    expect(decided(ready({ untouchedSince: ago(90 * day), running: running() }))).toMatchObject({ do: 'wait' })
    expect(decided(ready({ ...stopped, untouchedSince: null }))).toEqual({ do: 'wait', until: null })
  })

  it('goes to make room for others, but for its checkpoint, and a message waits until it has gone', () => {
    const untouchedSince = ago(day)
    expect(decided(ready({ ...collecting, untouchedSince }))).toEqual({ do: 'stopSandbox', unless: ['idle', 'busy'] })
    expect(decided(ready({ ...collecting, ...stopped, untouchedSince }))).toEqual({
      do: 'collect',
      checkpointToo: false,
    })
    const next = execution()
    expect(decided(ready({ ...collecting, ...stopped, untouchedSince, next }))).toMatchObject({ do: 'collect' })
  })

  it('goes without its neighbors: out of a sandbox that is there, or of one that is stopped', () => {
    const untouchedSince = ago(90 * day)
    for (const neighbors of ['idle', 'busy'] as const) {
      const among = (state: SandboxState) => ready({ untouchedSince, sandbox: sandbox({ state, neighbors }) })
      expect(decided(among('ready'))).toMatchObject({ do: 'collect' })
      expect(decided(among('stopped'))).toMatchObject({ do: 'collect' })
      expect(decided({ ...among('ready'), link: null })).toEqual({ do: 'wait', until: null })
      expect(decided(among('starting'))).toEqual({ do: 'wait', until: null })
    }
  })
})

describe('a disk that is too full', () => {
  const next = execution()
  const full = (facts: Partial<SessionFacts>) => decided(ready({ next, room: 'none', ...facts }))

  it('has others collected, then looks again after 10, 30 and 60 seconds, and then fails the execution', () => {
    expect(full({ room: 'collectable' })).toEqual({ do: 'makeRoom' })
    expect(full({ room: 'coming' })).toEqual({ do: 'wait', until: inMs(1_000) })
    expect(full({})).toEqual({ do: 'waitForRoom' })
    for (const [seconds, more] of [
      [0, 10],
      [10, 30],
      [39, 1],
      [40, 60],
      [99, 1],
    ] as const) {
      const waited = { do: 'wait', until: inMs(more * 1_000) }
      expect(full({ waitsForRoomSince: ago(seconds * 1_000) }), `${seconds} s`).toEqual(waited)
    }
    expect(full({ waitsForRoomSince: ago(100_000) })).toMatchObject({ do: 'fail', reason: 'disk_full' })
  })

  it('goes on as soon as there is room, and stops neither what runs nor what is to be finalized', () => {
    expect(full({ room: 'enough', waitsForRoomSince: ago(99_000) })).toMatchObject({ do: 'deliver' })
    expect(full({ running: running() })).toMatchObject({ do: 'wait' })
    const pending = ended({ stoppedAt: ago(1_000), finalization: 'pending' })
    expect(full({ ending: [pending] })).toEqual({ do: 'finalize', executionId: pending.id })
  })
})
