/** How the steps of a start and a turn are drawn as a waterfall: pure. Places are parts of the whole, from 0 to 1. */
import type { Timing, TimingStep } from '@corral/protocol'

export type Bar = {
  key: string
  label: string
  detail: string | null
  status: TimingStep['status']
  from: number
  width: number
  durationMs: number
}
export type Waterfall = { spanMs: number; ticksMs: number[]; bars: Bar[] }

const labels: Record<TimingStep['name'], string> = {
  queue_wait: 'In the queue',
  sandbox_create: 'Sandbox',
  supervisor_connect: 'Connection',
  clone: 'Clone',
  branch: 'Branch',
  restore: 'Restore',
  setup: 'Setup command',
  agent_start: 'Agent starts',
  agent_session: 'Agent’s session',
  prompt_send: 'Prompt',
  first_event: 'First answer',
  agent_execution: 'Agent works',
  result_collection: 'Result',
  agent_stop: 'Agent stops',
}

export function waterfall({ steps }: Pick<Timing, 'steps'>): Waterfall {
  const spanMs = Math.max(1, ...steps.map(({ startMs, durationMs }) => startMs + durationMs))
  return {
    spanMs,
    ticksMs: ticks(spanMs),
    bars: steps.map((step, place) => ({
      key: `${place} ${step.name}`,
      label: step.attempt > 1 ? `${labels[step.name]} (try ${step.attempt})` : labels[step.name],
      detail: step.detail ?? null,
      status: step.status,
      from: step.startMs / spanMs,
      width: step.durationMs / spanMs,
      durationMs: step.durationMs,
    })),
  }
}

/** Round moments within the span: three to six of them, 0 first. */
export function ticks(spanMs: number): number[] {
  const rough = spanMs / 4
  const unit = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= rough) ?? 10 * unit
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, place) => place * step)
}

/** `850 ms`, `2.8 s`, `1 min 5 s`, `2 h 4 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  return minutes % 60 === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
