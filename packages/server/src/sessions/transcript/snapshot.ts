/**
 * Long reads, as of one moment: each has a connection and a snapshot of its own for as long as it lasts. Few at a time,
 * so that slow readers take no connection from anybody else; who finds no place waits a while, and is refused then.
 */
import { CorralError } from '@corral/protocol'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Pool } from 'pg'
import type { Snapshot } from './storedMessages.ts'

export type Snapshots = {
  /** Ends the snapshot with the generator that was made from it. Throws `unavailable` when there was no place. */
  read<T>(run: (snapshot: Snapshot) => AsyncGenerator<T, void, void>): AsyncGenerator<T, void, void>
}

const atOnce = 6
const waitMs = 20_000

export function createSnapshots({ pool }: { pool: Pool }): Snapshots {
  let taken = 0
  const waiting: (() => void)[] = []

  async function takePlace(): Promise<void> {
    if (taken < atOnce) {
      taken++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push(resolve)
    const timer = setTimeout(() => {
      const place = waiting.indexOf(resolve)
      if (place === -1) return
      waiting.splice(place, 1)
      reject(new CorralError('unavailable', { sentence: 'Too many sessions are being read; try again in a moment.' }))
    }, waitMs)
    await promise.finally(() => clearTimeout(timer))
  }

  function givePlace(): void {
    const next = waiting.shift()
    if (next) next()
    else taken--
  }

  return {
    async *read(run) {
      await takePlace()
      try {
        const client = await pool.connect()
        let broken: Error | undefined
        try {
          await client.query('begin isolation level repeatable read read only')
          yield* run({ client, orm: drizzle(client) })
        } finally {
          await client.query('rollback').catch((error: Error) => {
            broken = error
          })
          client.release(broken)
        }
      } finally {
        givePlace()
      }
    },
  }
}
