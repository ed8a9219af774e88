/**
 * A driver that always answers: what the host, or an engine on it, does not say in time counts as not said. Invariant: a
 * sandbox whose start was given up is ended when it comes after all, so that nothing runs that nobody asked for.
 */
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import { type Driver, SandboxError } from './driver.ts'

export function boundedDriver(
  driver: Driver,
  { timers, logger }: { timers: Pick<Timers, 'sandboxStartMs' | 'driverAnswerMs'>; logger: Logger },
): Driver {
  const silent = (what: string, ms: number) =>
    new SandboxError('start_failed', `The ${driver.name} driver did not ${what} within ${ms / 1000} s.`)

  async function within<T>(answer: Promise<T>, ms: number, late: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const timer = setTimeout(() => {
      try {
        resolve(late())
      } catch (error) {
        reject(error)
      }
    }, ms)
    answer.then(resolve, reject)
    return promise.finally(() => clearTimeout(timer))
  }
  const orThrow = (what: string, ms: number) => () => {
    throw silent(what, ms)
  }

  return {
    name: driver.name,
    async start(spec) {
      const ms = timers.sandboxStartMs
      const { sandboxId, bootId } = spec
      let givenUp = false
      const started = driver.start(spec)
      started
        .then(async (ref) => {
          if (!givenUp) return
          logger.warn({ sandboxId, bootId }, 'ending a sandbox whose start took too long')
          await driver.stop(ref, 0)
        })
        .catch((error: unknown) => {
          if (givenUp) logger.warn({ sandboxId, bootId, error }, 'a start that took too long came to nothing')
        })
      return within(started, ms, () => {
        givenUp = true
        throw silent('start the sandbox', ms)
      })
    },
    inspect: (ref) => within(driver.inspect(ref), timers.driverAnswerMs, () => 'unknown'),
    stop: (ref, graceMs) => within(driver.stop(ref, graceMs), graceMs + timers.driverAnswerMs, () => 'unconfirmed'),
    list: () => within(driver.list(), timers.driverAnswerMs, orThrow('list its sandboxes', timers.driverAnswerMs)),
    tidy: () => within(driver.tidy(), timers.driverAnswerMs, orThrow('tidy up', timers.driverAnswerMs)),
  }
}
