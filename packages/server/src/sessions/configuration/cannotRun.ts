/** Why what is to be run cannot be as things are: its execution ends with that, and the session stays usable. */
import type { FailureReason } from '@corral/protocol'

export class CannotRun extends Error {
  readonly failure: { reason: FailureReason; message: string; details?: unknown }

  constructor(failure: CannotRun['failure']) {
    super(failure.message)
    this.name = 'CannotRun'
    this.failure = failure
  }
}

/** What `make` gives, or why it cannot be run. */
export async function orCannotRun<T>(make: () => Promise<T>): Promise<T | CannotRun> {
  try {
    return await make()
  } catch (error) {
    if (error instanceof CannotRun) return error
    throw error
  }
}
