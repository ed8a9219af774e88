/**
 * Points at which a test can have the server die, so that "a crash anywhere is repaired by the next look" is shown and
 * not only said. Between two writes of the engine there always is one of three things, and each is passed twice: a
 * call out (a command down the link, the driver), what a supervisor said becoming rows, what the server itself appends.
 * Without `CORRAL_TEST_KILL` nothing here does anything.
 */

import type { LogSink } from './log/types.ts'
import type { Driver } from './sandboxes/driver.ts'
import type { Link } from './supervisors/link.ts'
import type { Links } from './supervisors/links.ts'

/** `deathPoint.name` is passed for the `deathPoint.pass`-th time: the process ends there, as if by `kill -9`. */
export type DeathPoint = { name: string; pass: number }

export type DeathPoints = {
  /** `session.execute`, …: before a command is sent, and when it was accepted or failed. */
  links(links: Links): Links
  /** `sandbox.start`, `sandbox.stop`: before and after. */
  driver(driver: Driver): Driver
  /**
   * `outcome`, `stopped`, `finalized`, …, and of what the server appends `queued`, `interrupted`, …: in the transaction,
   * and after its commit, before anybody hears of it.
   */
  sink(sink: LogSink): LogSink
}

export function createDeathPoints(deathPoint: DeathPoint | null): DeathPoints {
  if (!deathPoint) return { links: (links) => links, driver: (driver) => driver, sink: (sink) => sink }
  let left = deathPoint.pass
  const pass = (name: string) => {
    if (name === deathPoint.name && --left === 0) process.kill(process.pid, 'SIGKILL')
  }
  async function around<T>(name: string, run: () => Promise<T>): Promise<T> {
    pass(name)
    try {
      return await run()
    } finally {
      pass(name)
    }
  }
  const watched = (link: Link): Link => ({
    ...link,
    call: (method, params, timeoutMs) => around(method, () => link.call(method, params, timeoutMs)),
  })

  return {
    links: (links) => ({
      ...links,
      of(sandboxId) {
        const link = links.of(sandboxId)
        return link && watched(link)
      },
    }),
    driver: (driver) => ({
      ...driver,
      start: (spec) => around('sandbox.start', () => driver.start(spec)),
      stop: (ref, graceMs) => around('sandbox.stop', () => driver.stop(ref, graceMs)),
    }),
    sink: (sink) => ({
      async admit(tx, session, events) {
        const admitted = await sink.admit(tx, session, events)
        for (const { type } of events) {
          pass(type)
          tx.afterCommit(() => pass(type))
        }
        return admitted
      },
      async apply(tx, events) {
        await sink.apply(tx, events)
        for (const { type } of events.filter(({ origin }) => origin === undefined)) {
          pass(type)
          tx.afterCommit(() => pass(type))
        }
      },
    }),
  }
}
