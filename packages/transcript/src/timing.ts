/**
 * The timing of a start and a turn, from the `status` events of the log. Starts are by the server's clock, durations
 * by the monotonic clock of the machine on which the step ran, so a wrong clock in a sandbox makes no negative bar.
 * Steps may overlap; totals are spans, not sums. Source: 33-boards-lifecycle "Timing".
 */
import {
  type ExecutionId,
  errorDataSchema,
  finalizationDataSchema,
  type StepName,
  statusDataSchema,
  type Timing,
  type TimingStep,
} from '@corral/protocol'
import type { LogEvent } from './change.ts'

export type TimingView = Omit<Timing, 'cloudAgentSessionId' | 'executionId'>

/** Times are Unix milliseconds by the server's clock; `end` is null while it runs. */
type Bar = {
  name: StepName
  attempt: number
  start: number
  end: number | null
  status: TimingStep['status']
  detail?: string | undefined
}

const setupSteps = new Set<StepName>([
  'sandbox_create',
  'supervisor_connect',
  'clone',
  'branch',
  'restore',
  'setup',
  'agent_start',
  'agent_session',
  'prompt_send',
])

/**
 * `events`: the `status`, `queued`, `started`, ending and `finalization` events of the execution, and those of the
 * preparation before it, in order. `now` (Unix milliseconds) ends the bars of what still runs.
 */
export function timing(events: readonly LogEvent[], executionId: ExecutionId | null, now: number): TimingView {
  const { bars, queuedAt } = drawBars(events, executionId)
  const [first] = bars
  if (!first) {
    return { startTime: null, steps: [], queuedMs: null, setupMs: null, agentExecutionMs: null, totalMs: null }
  }
  const endOf = (bar: Bar) => Math.max(bar.start, bar.end ?? now)
  const spanOf = (some: Bar[]) => {
    const [earliest] = some
    return earliest ? whole(Math.max(...some.map(endOf)) - earliest.start) : null
  }
  return {
    startTime: whole(first.start),
    steps: bars.map((bar) => ({
      name: bar.name,
      startMs: whole(bar.start - first.start),
      durationMs: whole(endOf(bar) - bar.start),
      attempt: bar.attempt,
      status: bar.status,
      ...(bar.detail !== undefined && { detail: bar.detail }),
    })),
    queuedMs: spanOf(bars.filter(({ name }) => name === 'queue_wait')),
    setupMs: spanOf(bars.filter(({ name }) => setupSteps.has(name))),
    agentExecutionMs: spanOf(bars.filter(({ name }) => name === 'agent_execution')),
    totalMs: whole(Math.max(...bars.map(endOf)) - (queuedAt ?? first.start)),
  }
}

/** In the order of their starts. */
function drawBars(
  events: readonly LogEvent[],
  executionId: ExecutionId | null,
): { bars: Bar[]; queuedAt: number | null } {
  const bars = new Map<string, Bar>()
  let queuedAt: number | null = null
  let endedAt: number | null = null

  function open(name: StepName, start: number): void {
    if (!bars.has(name)) bars.set(name, { name, attempt: 1, start, end: null, status: 'running' })
  }

  for (const event of events) {
    if (event.executionId && event.executionId !== executionId) continue
    const { at } = event
    const outcome = outcomeOf(event)
    if (outcome) {
      endedAt = at
      endBars(bars, at, outcome, ({ name }) => name === 'agent_execution')
      // Nobody tells any more how these went on.
      endBars(bars, at, 'failed', () => true)
    } else if (event.type === 'status') {
      noteStep(bars, event)
    } else if (event.type === 'queued') {
      queuedAt = at
      open('queue_wait', at)
    } else if (event.type === 'started') {
      open('agent_execution', at)
    } else if (event.type === 'finalization' && endedAt !== null) {
      const status = finalizationDataSchema.parse(event.data).success ? 'ok' : 'failed'
      bars.set('result_collection', { name: 'result_collection', attempt: 1, start: endedAt, end: at, status })
    }
  }
  return { bars: [...bars.values()].toSorted((a, b) => a.start - b.start), queuedAt }
}

/** A step opens with `running` and closes with `ok` or `failed`; of some only the close is told, with the duration. */
function noteStep(bars: Map<string, Bar>, event: LogEvent): void {
  const { step: name, stepId = '', attempt = 1, state, durationMs, message } = statusDataSchema.parse(event.data)
  if (!name || !state) return
  const key = name === 'queue_wait' ? name : `${name} ${attempt} ${stepId}`
  const known = bars.get(key)
  if (state === 'running') {
    // A new attempt says that the one before is over, however it ended.
    endBars(bars, event.at, 'failed', (bar) => bar.name === name && bar.attempt < attempt)
    if (!known) bars.set(key, { name, attempt, start: event.at, end: null, status: state, detail: message })
    return
  }
  // What was told late, after a lost connection, is put where it was: it was over when its end was told.
  const told = known?.start ?? event.at
  const start = durationMs === undefined ? told : Math.min(told, event.at - durationMs)
  const end = durationMs === undefined ? event.at : start + durationMs
  bars.set(key, { name, attempt, start, end, status: state, detail: message })
}

function endBars(bars: Map<string, Bar>, end: number, status: Bar['status'], which: (bar: Bar) => boolean): void {
  for (const [key, bar] of bars) if (bar.end === null && which(bar)) bars.set(key, { ...bar, end, status })
}

/** How the execution ended, by the event that ends it. */
function outcomeOf({ type, executionId, data }: LogEvent): 'ok' | 'failed' | null {
  if (type === 'complete') return 'ok'
  if (type === 'interrupted') return 'failed'
  const failed = type === 'error' && executionId && errorDataSchema.parse(data).reason !== undefined
  return failed ? 'failed' : null
}

const whole = (ms: number) => Math.max(0, Math.round(ms))
