/** The steps of a start and a turn as bars on one time axis. */
import type { Timing } from '@corral/protocol'
import { seconds } from './events.ts'

const width = 40

export function waterfall(timing: Timing): string {
  if (timing.steps.length === 0) return 'Nothing has been timed yet.\n'
  const end = Math.max(1, ...timing.steps.map((step) => step.startMs + step.durationMs))
  const names = timing.steps.map(({ name, attempt }) => (attempt > 1 ? `${name} #${attempt}` : name))
  const longestName = Math.max(...names.map((name) => name.length))
  const lines = timing.steps.map((step, i) => {
    const from = Math.min(width - 1, Math.round((step.startMs / end) * width))
    const length = Math.max(1, Math.min(width - from, Math.round((step.durationMs / end) * width)))
    const mark = step.status === 'failed' ? '×' : step.status === 'running' ? '▒' : '█'
    const bar = ' '.repeat(from) + mark.repeat(length) + ' '.repeat(width - from - length)
    return `${names[i]?.padEnd(longestName)} │${bar}│ ${seconds(step.durationMs).padStart(8)}`
  })
  const total =
    timing.totalMs === null
      ? ''
      : `${'total'.padEnd(longestName)}  ${' '.repeat(width)}  ${seconds(timing.totalMs).padStart(8)}\n`
  return `${lines.join('\n')}\n${total}`
}
