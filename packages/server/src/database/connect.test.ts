import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { connect, isConnectionError, waitUntilReady } from './connect.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  )

describe('a bigint', () => {
  test('is read as a number, through drizzle too', async () => {
    const sql = 'select 9007199254740991::bigint as seq'
    expect((await database.pool.query(sql)).rows).toEqual([{ seq: Number.MAX_SAFE_INTEGER }])
    expect((await drizzle(database.pool).execute(sql)).rows).toEqual([{ seq: Number.MAX_SAFE_INTEGER }])
  })

  test('is refused when a number cannot hold it', async () => {
    await expect(database.pool.query('select 9007199254740993::bigint')).rejects.toThrow('not a safe integer')
  })
})

/** A way to the database that the test can open, cut, and let go silent. */
function doorTo(url: string) {
  const folder = mkdtempSync(join(tmpdir(), 'corral-door-'))
  const target = join(new URL(url).searchParams.get('host') ?? '', '.s.PGSQL.5432')
  const sockets = new Set<Socket>()
  let server: Server | undefined
  const through = new URL(url)
  through.searchParams.set('host', folder)
  const listen = async (serve: (socket: Socket) => void) => {
    server = createServer((socket) => {
      sockets.add(socket.on('error', () => socket.destroy()))
      serve(socket)
    })
    server.listen(join(folder, '.s.PGSQL.5432'))
    await once(server, 'listening')
  }
  const cut = () => {
    server?.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: through.href,
    open: () => listen((socket) => socket.pipe(connectSocket(target)).pipe(socket)),
    openButSilent: () => listen(() => {}),
    cut,
    remove: () => {
      cut()
      rmSync(folder, { recursive: true })
    },
  }
}

describe('a database that goes away', () => {
  let door: ReturnType<typeof doorTo>
  let pool: Pool
  beforeAll(() => {
    door = doorTo(database.url)
  })
  afterEach(async () => {
    door.cut()
    await pool.end()
  })
  afterAll(() => door.remove())

  test('is told from a wrong statement', async () => {
    pool = connect(door.url)
    const refused = await failure(pool.query('select 1'))
    expect(isConnectionError(refused)).toBe(true)
    expect(isConnectionError(new Error('wrapped', { cause: refused }))).toBe(true)
    const wrong = await failure(database.pool.query('selec'))
    expect(isConnectionError(wrong)).toBe(false)
    expect(isConnectionError(await failure(drizzle(database.pool).execute('selec')))).toBe(false)
    expect(isConnectionError('away')).toBe(false)
  })

  test('is seen where several addresses of a host refuse', async () => {
    pool = connect('postgres://corral@localhost:1/postgres')
    expect(isConnectionError(await failure(pool.query('select 1')))).toBe(true)
  })

  test('fails what was running, and takes the next query when it is back', async () => {
    await door.open()
    pool = connect(door.url)
    await pool.query('select 1')
    const running = failure(pool.query('select pg_sleep(10)'))
    door.cut()
    expect(isConnectionError(await running)).toBe(true)
    expect(isConnectionError(await failure(pool.query('select 1')))).toBe(true)
    await door.open()
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('ends no process while a connection is held between two statements', async () => {
    await door.open()
    pool = connect(door.url)
    const client = await pool.connect()
    const gone = new Promise((resolve) => client.once('end', resolve))
    door.cut()
    await gone
    expect(isConnectionError(await failure(client.query('select 1')))).toBe(true)
    client.release(true)
  })

  test('is seen when the server ends the connection itself', async () => {
    await door.open()
    pool = connect(door.url)
    const client = await pool.connect()
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const running = failure(client.query('select pg_sleep(10)'))
    await database.pool.query('select pg_terminate_backend($1)', [rows[0].pid])
    expect(isConnectionError(await running)).toBe(true)
    client.release(true)
  })

  test('is waited for', async () => {
    pool = connect(door.url)
    const ready = waitUntilReady(pool, 5_000)
    await door.open()
    await ready
  })

  test('is waited for no longer than that, also when it takes connections and stays silent', async () => {
    pool = connect(door.url)
    await expect(waitUntilReady(pool, 100)).rejects.toThrow('did not answer within 0.1 s (connect ENOENT')
    await door.openButSilent()
    await expect(waitUntilReady(pool, 100)).rejects.toThrow('did not answer within 0.1 s (timeout expired)')
  })

  test('is not waited for when it refuses us', async () => {
    await door.open()
    const url = new URL(door.url)
    url.password = 'guessed'
    pool = connect(url.href)
    await expect(waitUntilReady(pool, 5_000)).rejects.toThrow('password authentication failed')
  })
})
