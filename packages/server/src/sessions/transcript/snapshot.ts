/**
 * Reads as of one moment, each on a connection and in a snapshot of its own. Long ones keep theirs for as long as they
 * last: few at a time, so that slow readers take no connection from anybody else; who finds no place waits a while, and
 * is refused then.
 */
import { CorralError } from '@corral/protocol'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Pool } from 'pg'
import type { Orm, Tx } from '../../database/transaction.ts'

/** A connection in a transaction of one snapshot. */
export type Snapshot = { client: Pick<Tx['client'], 'query'>; orm: Pick<Orm, 'select'> }

/** Until it is disposed of. */
async function openSnapshot(pool: Pool): Promise<Snapshot & AsyncDisposable> {
  const client = await pool.connect()
  async function end(): Promise<void> {
    const broken = await client.query('rollback').then(
      () => undefined,
      (error: Error) => error,
    )
    client.release(broken)
  }
  try {
    await client.query('begin isolation level repeatable read read only')
  } catch (error) {
    await end()
    throw error
  }
  return { client, orm: drizzle(client), [Symbol.asyncDispose]: end }
}

/** A short read. */
export async function inSnapshot<T>(pool: Pool, read: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  await using snapshot = await openSnapshot(pool)
  return await read(snapshot)
}

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
        await using snapshot = await openSnapshot(pool)
        yield* run(snapshot)
      } finally {
        givePlace()
      }
    },
  }
}
