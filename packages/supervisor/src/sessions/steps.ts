/**
 * Tells how work goes on, as `status` events: every step is opened (`running`) and closed (`ok` or `failed`) exactly
 * once, with its duration by the monotonic clock.
 */
import type { ExecutionId, StatusData, StepName, UpEvent } from '@corral/protocol'

export type Steps = {
  /** Opens the step, does the work, closes the step, and lets the work's error fly. `id` where a step repeats. */
  run<T>(step: StepName, message: string, work: () => Promise<T>, id?: string): Promise<T>
  /** A step whose end comes from somewhere else; closing it twice does nothing. */
  open(step: StepName, message: string, id?: string): (state: 'ok' | 'failed') => void
  warn(message: string): void
}

export function createSteps(options: {
  emit(event: UpEvent): unknown
  attempt: number
  executionId?: ExecutionId
  /** What the ids of steps carry, since those of an attempt must differ; else the execution. */
  scope?: string
}): Steps {
  const { emit, attempt, executionId, scope = executionId } = options
  const status = (data: StatusData) => emit({ type: 'status', executionId, data })

  function open(step: StepName, message: string, id: string = step) {
    const stepId = scope ? `${scope}:${id}` : id
    const begunAt = performance.now()
    let closed = false
    status({ message, step, stepId, attempt, state: 'running' })
    return (state: 'ok' | 'failed') => {
      if (closed) return
      closed = true
      const durationMs = Math.round((performance.now() - begunAt) * 10) / 10
      status({ message, step, stepId, attempt, state, durationMs })
    }
  }

  return {
    open,
    async run(step, message, work, id) {
      const close = open(step, message, id)
      try {
        const result = await work()
        close('ok')
        return result
      } catch (error) {
        close('failed')
        throw error
      }
    },
    warn: (message) => status({ message, level: 'warning' }),
  }
}
