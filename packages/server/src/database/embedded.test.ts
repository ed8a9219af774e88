import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { asHostUser, firstHostUser, hostUserIdsUsable } from '../host/hostUser.ts'
import { runAsOtherUser, sourcesForOtherUser } from '../testing/otherUser.ts'
import { embeddedPostgresStatus, startEmbeddedPostgres, stopEmbeddedPostgres } from './embedded.ts'
import { postgresHostUser } from './embeddedUser.ts'

const isRoot = process.getuid?.() === 0
const run = promisify(execFile)
const said: string[] = []
const log = pino({ level: 'info' }, { write: (line: string) => void said.push(line) })

/** Below a folder of mode 0700, with characters that a shell would take for its own. */
const places = () => {
  const home = mkdtempSync(join(homedir(), '.corral-embedded-'))
  const runFolder = mkdtempSync(join(tmpdir(), 'corral-run-'))
  const dataFolder = join(home, 'the "data" of $HOME')
  mkdirSync(dataFolder)
  const remove = () => {
    rmSync(home, { recursive: true })
    rmSync(runFolder, { recursive: true })
  }
  return { dataFolder, runFolder, log, remove }
}

const sources = fileURLToPath(new URL('..', import.meta.url))

/** A server of its own that starts PostgreSQL, says its state and goes on with `then`. */
const serverModule = (places: { dataFolder: string; runFolder: string }, folder: string, then: string) => `
  import { createRequire } from 'node:module'
  import { embeddedPostgresStatus, startEmbeddedPostgres, stopEmbeddedPostgres } from '${folder}/database/embedded.ts'
  const { pino } = createRequire('${folder}/database/embedded.ts')('pino')
  const places = {
    dataFolder: ${JSON.stringify(places.dataFolder)},
    runFolder: ${JSON.stringify(places.runFolder)},
    log: pino({ level: 'silent' }),
  }
  await startEmbeddedPostgres(places)
  console.log((await embeddedPostgresStatus(places)).state)
  ${then}`

const spawnServer = (places: { dataFolder: string; runFolder: string }, then: string) =>
  spawn(process.execPath, ['--input-type=module', '--eval', serverModule(places, sources, then)], {
    detached: true,
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })

const query = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe('the embedded PostgreSQL', () => {
  const here = places()
  const postgres = join(here.dataFolder, 'postgres')
  const start = () => startEmbeddedPostgres(here)
  const stop = () => stopEmbeddedPostgres(here)
  const status = () => embeddedPostgresStatus(here)
  const pid = async () => {
    const found = await status()
    if (!('pid' in found)) throw new Error(`PostgreSQL is ${found.state}`)
    return found.pid
  }
  beforeAll(async () => {
    expect(await status()).toEqual({ state: 'absent' })
    mkdirSync(join(here.dataFolder, 'postgres.new-abandoned', 'data'), { recursive: true })
    expect((await start()).adopted).toBe(false)
  })
  afterEach(async () => {
    await start()
  })
  afterAll(async () => {
    await stop()
    here.remove()
  })

  test('was made beside what an interrupted making had left, and removed that', () => {
    expect(readdirSync(here.dataFolder)).toEqual(['postgres'])
    expect(readdirSync(postgres).toSorted()).toEqual(['data', 'password', 'postgres.log'])
  })

  test('keeps what it was told, orders by code point, and knows UTC alone', async () => {
    const { url } = await start()
    const sql = `select current_setting('synchronous_commit') sync, current_setting('data_checksums') checksums,
      current_setting('TimeZone') zone, current_setting('server_encoding') encoding, 'a' < 'B' as locale_order`
    expect(await query(url, sql)).toEqual([
      { sync: 'on', checksums: 'on', zone: 'UTC', encoding: 'UTF8', locale_order: false },
    ])
  })

  test('is adopted by the next server, also when several start it', async () => {
    const before = await pid()
    const starts = await Promise.all([start(), start(), start()])
    expect(starts.map(({ adopted }) => adopted)).toEqual([true, true, true])
    expect(await pid()).toBe(before)
  })

  test('listens on no network', async () => {
    const { url } = await start()
    expect(await query(url, `select current_setting('listen_addresses') addresses`)).toEqual([{ addresses: '' }])
  })

  test('asks for the password', async () => {
    const url = new URL((await start()).url)
    url.password = 'guessed'
    await expect(query(url.href, 'select 1')).rejects.toThrow('password authentication failed')
  })

  test('stops, and starts again with its data', async () => {
    await query((await start()).url, 'create table kept as select 42 as answer')
    await stop()
    expect(await status()).toEqual({ state: 'stopped' })
    const { url, adopted } = await start()
    expect(adopted).toBe(false)
    expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  test('starts again after its main process was killed, with everything that was committed', async () => {
    await query((await start()).url, 'create table committed as select 42 as answer')
    process.kill(await pid(), 'SIGKILL')
    const { url, adopted } = await start()
    expect(adopted).toBe(false)
    expect(await query(url, 'select answer from committed')).toEqual([{ answer: 42 }])
  })

  test('starts only when the last process of a killed one has ended', async () => {
    const client = new Client({ connectionString: (await start()).url })
    client.on('error', () => {})
    await client.connect()
    const backend = (await client.query('select pg_backend_pid() pid')).rows[0].pid
    process.kill(backend, 'SIGSTOP')
    process.kill(await pid(), 'SIGKILL')
    said.length = 0
    const starting = start()
    await vi.waitFor(() => expect(said.join()).toContain('still about to end'), { timeout: 5_000 })
    process.kill(backend, 'SIGCONT')
    expect((await starting).adopted).toBe(false)
    await client.end()
  })

  test('starts although its lock file names a process that is somebody else', async () => {
    const lock = join(postgres, 'data', 'postmaster.pid')
    const lines = readFileSync(lock, 'utf8').split('\n').slice(1)
    await stop()
    // As after a restart of the machine. Of a process of its own user, PostgreSQL would believe it.
    const sleep = ['sleep', '30']
    const user = { uid: postgresHostUser, gid: postgresHostUser, binds: [] }
    const [file = '', ...args] = hostUserIdsUsable() ? asHostUser(user, sleep) : sleep
    const stranger = spawn(file, args, { stdio: 'ignore' })
    try {
      await vi.waitFor(async () => expect((await run('ps', ['-o', 'comm=', `${stranger.pid}`])).stdout).toBe('sleep\n'))
      writeFileSync(lock, [stranger.pid, ...lines].join('\n'))
      expect(await status()).toEqual({ state: 'stopped' })
      expect((await start()).adopted).toBe(false)
    } finally {
      stranger.kill()
    }
  })

  test('is started anew when its socket was removed', async () => {
    const before = await pid()
    rmSync(join(here.runFolder, 'postgres'), { recursive: true })
    expect((await start()).adopted).toBe(false)
    expect(await pid()).not.toBe(before)
  })

  test('survives the death of the server that started it and of its process group', async () => {
    await stop()
    const server = spawnServer(here, `process.kill(0, 'SIGINT')`)
    const exit = once(server, 'exit')
    // Ends only when nobody holds the pipe any more.
    await text(server.stdout)
    expect(await exit).toEqual([null, 'SIGINT'])
    expect((await start()).adopted).toBe(true)
  })

  test('of another major version is refused, with what to do', async () => {
    await stop()
    const versionFile = join(postgres, 'data', 'PG_VERSION')
    writeFileSync(versionFile, '17\n')
    await expect(start()).rejects.toThrow(/holds data of PostgreSQL 17, which PostgreSQL 18 .* pg_dump/)
    writeFileSync(versionFile, '18\n')
  })

  test('says why it does not start', async () => {
    await stop()
    const settings = { shared_buffers: 'plenty' }
    await expect(startEmbeddedPostgres({ ...here, settings })).rejects.toThrow(
      'invalid value for parameter "shared_buffers": "plenty"',
    )
  })

  test('cuts its log when that has grown too large', async () => {
    await stop()
    writeFileSync(join(postgres, 'postgres.log'), 'x'.repeat(11 * 1024 * 1024))
    await start()
    expect(readFileSync(join(postgres, 'postgres.log'), 'utf8')).not.toContain('x'.repeat(100))
    expect(existsSync(join(postgres, 'postgres.log.1'))).toBe(true)
  })

  test.skipIf(!hostUserIdsUsable())(
    'is out of reach for sandboxes and other users of the machine (needs root)',
    async () => {
      const { url } = await start()
      const attempt = `
      import pg from '${sourcesForOtherUser}/../../../node_modules/pg/lib/index.js'
      import { readFileSync } from 'node:fs'
      const client = new pg.Client({ connectionString: ${JSON.stringify(url)} })
      console.log(await client.connect().then(() => 'connected', (error) => error.code))
      try { console.log(readFileSync(${JSON.stringify(join(postgres, 'password'))}, 'utf8')) } catch (error) { console.log(error.code) }`
      for (const uid of [firstHostUser, 65534]) {
        expect(await runAsOtherUser(uid, attempt)).toBe('EACCES\nEACCES')
      }
    },
  )
})

test('a server that was killed while it made the data is no hindrance for the next', async () => {
  const here = places()
  const server = spawnServer(here, '')
  try {
    const half = () => readdirSync(here.dataFolder).map((name) => join(here.dataFolder, name, 'data', 'base'))
    await vi.waitFor(() => expect(half().some(existsSync)).toBe(true), { timeout: 5_000, interval: 10 })
    server.kill('SIGKILL')
    expect((await startEmbeddedPostgres(here)).adopted).toBe(false)
    expect(readdirSync(here.dataFolder)).toEqual(['postgres'])
  } finally {
    await stopEmbeddedPostgres(here)
    here.remove()
  }
})

describe('the user that PostgreSQL runs as', () => {
  const lifetime = `
    await startEmbeddedPostgres(places)
    console.log((await embeddedPostgresStatus(places)).state)
    await stopEmbeddedPostgres(places)`

  test.skipIf(!hostUserIdsUsable()).each([
    ['an ordinary user', 65534],
    ['a user without an account, as in a container', 1_234_567],
  ])('may be %s (needs root)', async (_, uid) => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'corral-own-'))
    const runFolder = mkdtempSync(join(tmpdir(), 'corral-run-'))
    try {
      await run('chown', [String(uid), dataFolder, runFolder])
      const module = serverModule({ dataFolder, runFolder }, sourcesForOtherUser, lifetime)
      expect(await runAsOtherUser(uid, module)).toBe('ready\nready')
    } finally {
      rmSync(dataFolder, { recursive: true })
      rmSync(runFolder, { recursive: true })
    }
  })

  test.skipIf(!isRoot)('may be root without other ids, and later root that has them, on the same data', async () => {
    const here = places()
    const node = [process.execPath, '--input-type=module', '--eval', serverModule(here, sources, lifetime)]
    try {
      const { stdout } = await run('unshare', ['--user', '--map-root-user', '--', ...node])
      expect(stdout.trim()).toBe('ready\nready')
      expect((await startEmbeddedPostgres(here)).adopted).toBe(false)
    } finally {
      await stopEmbeddedPostgres(here)
      here.remove()
    }
  })
})
