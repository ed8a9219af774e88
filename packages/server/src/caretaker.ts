/**
 * Looks after what the server owns beside itself: an embedded PostgreSQL or a gateway that died is started again. Each
 * look finds a thing running or starts it; looks never overlap. While the server is down nobody does this.
 */
import type { Logger } from 'pino'

export function takeCare(options: {
  /** Each makes sure that one thing runs, and does nothing when it does. */
  things: (() => Promise<unknown>)[]
  everyMs: number
  logger: Logger
}): { close(): Promise<void> } {
  const { things, everyMs, logger } = options
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()

  async function look(): Promise<void> {
    for (const ensure of things) {
      try {
        await ensure()
      } catch (error) {
        logger.error({ error }, 'something that the server needs could not be started; it will be tried again')
      }
    }
    if (!closed) schedule()
  }

  function schedule(): void {
    timer = setTimeout(() => {
      looking = look()
    }, everyMs)
  }

  schedule()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      await looking
    },
  }
}
