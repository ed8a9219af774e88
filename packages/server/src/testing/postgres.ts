/** Databases for tests: real, with the current schema, one for each test file that asks. */
import { randomBytes } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import { text } from 'node:stream/consumers'
import { Client, type Pool } from 'pg'
import { inject } from 'vitest'
import { connect } from '../database/connect.ts'

export type TestServer = { url: string } | { error: string }

/** Has the schema and no rows; nobody may be connected to it while it is copied. */
export const templateDatabase = 'corral_template'

export type TestDatabase = AsyncDisposable & { url: string; pool: Pool }

/**
 * A database of one's own, copied from one that has all migrations. Disposing ends its pool and drops it.
 *
 *     const database = await testDatabase()
 *     afterAll(() => database[Symbol.asyncDispose]())
 */
export async function testDatabase(): Promise<TestDatabase> {
  const serverUrl = await findServer()
  const name = `test_${randomBytes(6).toString('hex')}`
  await runSql(serverUrl, `create database ${name} template ${templateDatabase}`)
  const url = new URL(serverUrl)
  url.pathname = name
  const pool = connect(url.href)
  return {
    url: url.href,
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await runSql(serverUrl, `drop database ${name} with (force)`)
    },
  }
}

/** Runs one statement outside a transaction, on a connection of its own. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

async function findServer(): Promise<string> {
  const answer: TestServer = JSON.parse(await text(connectSocket(inject('testPostgresSocket'))))
  if ('error' in answer) throw new Error(`There is no PostgreSQL for the tests: ${answer.error}`)
  return answer.url
}
