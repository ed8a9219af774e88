/**
 * Transactions of the server. Every writing transaction first takes the server's term row `FOR KEY SHARE`, so a
 * server that has lost its term cannot write; what is to follow a commit is registered with `afterCommit`.
 * Lock order, everywhere: server term → session heads in id order → sandboxes → the rest.
 */
import { CorralError } from '@corral/protocol'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Pool, PoolClient } from 'pg'
import * as schema from './schema.ts'
import { together } from './together.ts'

export type Orm = NodePgDatabase<typeof schema>

export type Tx = {
  /** For SQL that matters, with its plan in mind. */
  client: PoolClient
  /** For everything else. */
  orm: Orm
  /** Runs once the transaction is on disk; never when it fails. Must not throw. */
  afterCommit(run: () => void): void
}

export type Database = {
  pool: Pool
  /** Reads outside a transaction. */
  orm: Orm
  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  /** The same for what begins with locks. `lock` changes nothing: it is sent before the transaction is known to have begun. */
  lockedTransaction<T, Locked>(
    lock: (client: PoolClient) => Promise<Locked>,
    run: (tx: Tx, locked: Locked) => Promise<T>,
  ): Promise<T>
}

/** `term` is asked at each transaction: it is null while this process is not the active server. */
export function createDatabase(options: { pool: Pool; term: () => number | null }): Database {
  const { pool, term } = options

  async function lockedTransaction<T, Locked>(
    lock: (client: PoolClient) => Promise<Locked>,
    run: (tx: Tx, locked: Locked) => Promise<T>,
  ): Promise<T> {
    const current = term()
    if (current === null) throw new CorralError('unavailable')
    const client = await pool.connect()
    const followUps: (() => void)[] = []
    let result: T
    let broken: Error | undefined
    try {
      try {
        const [begun, locked] = await together([
          client.query(`begin; select 1 from server where term = ${current} for key share`),
          lock(client),
        ])
        // One result for each of its statements, whatever its type says.
        if ([begun].flat().at(-1)?.rowCount !== 1)
          throw new CorralError('unavailable', { cause: new Error(`term ${current} is over`) })
        result = await run(txOn(client, followUps), locked)
        await client.query('commit')
      } catch (error) {
        await client.query('rollback').catch((rollbackError: Error) => {
          broken = rollbackError
        })
        throw error
      }
    } finally {
      client.release(broken)
    }
    for (const followUp of followUps) followUp()
    return result
  }

  return {
    pool,
    orm: drizzle(pool, { schema }),
    transaction: (run) => lockedTransaction(async () => undefined, run),
    lockedTransaction,
  }
}

/** Making a Drizzle costs 0.1 ms, a tenth of a small commit; the log's own appends need none. */
function txOn(client: PoolClient, followUps: (() => void)[]): Tx {
  let orm: Orm | undefined
  return {
    client,
    get orm() {
      orm ??= drizzle(client, { schema })
      return orm
    },
    afterCommit: (followUp) => void followUps.push(followUp),
  }
}
