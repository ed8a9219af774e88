/**
 * The timing of a start and a turn, from the `status` events of the log. Starts are by the server's clock, durations
 * by the monotonic clock of the machine on which the step ran, so a wrong clock in a sandbox makes no negative bar.
 * Steps may overlap; totals are spans, not sums. Source: 33-boards-lifecycle "Timing".
 */
import { type ExecutionId, type StepName, statusDataSchema, type TimingStep } from '@corral/protocol'
import type { LogEvent } from './change.ts'

export type TimingView = {
  /** Unix milliseconds of the earliest step; null when nothing has begun. */
  startTime: number | null
  steps: TimingStep[]
  queuedMs: number | null
  /** Start of the first step to the end of `prompt_send`. */
  setupMs: number | null
  agentExecutionMs: number | null
  /** From the creation of the execution to the end of the last step. */
  totalMs: number | null
}

type Bar = {
  name: StepName
  start: number
  durationMs: number
  attempt: number
  status: TimingStep['status']
  detail?: string
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
  const bars = new Map<string, Bar>()
  let queuedAt: number | null = null
  let startedAt: number | null = null
  let endedAt: number | null = null
  let collectedAt: number | null = null

  for (const event of events) {
    if (event.type === 'status') addStep(bars, event, now)
    if (executionId === null || event.executionId !== executionId) continue
    if (event.type === 'queued') queuedAt = event.at
    if (event.type === 'started') startedAt ??= event.at
    if (event.type === 'complete' || event.type === 'interrupted' || isEndingError(event)) endedAt = event.at
    if (event.type === 'finalization') collectedAt = event.at
  }
  const over = endedAt !== null
  if (startedAt !== null) {
    bars.set('agent_execution', {
      name: 'agent_execution',
      start: startedAt,
      durationMs: (endedAt ?? now) - startedAt,
      attempt: 1,
      status: over ? 'ok' : 'running',
    })
  }
  if (endedAt !== null && collectedAt !== null) {
    bars.set('result_collection', {
      name: 'result_collection',
      start: endedAt,
      durationMs: Math.max(0, collectedAt - endedAt),
      attempt: 1,
      status: 'ok',
    })
  }

  const all = [...bars.values()].toSorted((a, b) => a.start - b.start)
  const first = all[0]
  if (!first)
    return { startTime: null, steps: [], queuedMs: null, setupMs: null, agentExecutionMs: null, totalMs: null }
  const setup = all.filter((bar) => setupSteps.has(bar.name))
  const ends = all.map((bar) => bar.start + bar.durationMs)
  const wait = bars.get('queue_wait')
  const agent = bars.get('agent_execution')
  return {
    startTime: Math.round(first.start),
    steps: all.map(({ start, durationMs, ...bar }) => ({
      ...bar,
      startMs: whole(start - first.start),
      durationMs: whole(durationMs),
    })),
    queuedMs: wait ? whole(wait.durationMs) : null,
    setupMs: setup[0] ? whole(Math.max(...setup.map((bar) => bar.start + bar.durationMs)) - setup[0].start) : null,
    agentExecutionMs: agent ? whole(agent.durationMs) : null,
    totalMs: whole(Math.max(...ends) - (queuedAt ?? first.start)),
  }
}

/** A step opens with `running` and closes with `ok` or `failed`; one that only closes gets its start from its duration. */
function addStep(bars: Map<string, Bar>, event: LogEvent, now: number): void {
  const status = statusDataSchema.safeParse(event.data)
  if (!status.success || !status.data.step || !status.data.state) return
  const { step, stepId, attempt = 1, state, durationMs, message } = status.data
  const key = step === 'queue_wait' ? step : `${step}:${attempt}:${stepId ?? ''}:${event.executionId ?? ''}`
  const open = bars.get(key)
  const start = open?.start ?? event.at - (state === 'running' ? 0 : (durationMs ?? 0))
  bars.set(key, {
    name: step,
    start,
    durationMs: state === 'running' ? Math.max(0, now - start) : (durationMs ?? Math.max(0, event.at - start)),
    attempt,
    status: state,
    detail: state === 'running' ? open?.detail : message,
  })
}

function isEndingError(event: LogEvent): boolean {
  return event.type === 'error' && typeof event.data === 'object' && event.data !== null && 'reason' in event.data
}

const whole = (ms: number) => Math.max(0, Math.round(ms))
