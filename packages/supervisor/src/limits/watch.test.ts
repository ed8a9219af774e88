import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newSessionId } from '@corral/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readTable } from './processTable.ts'
import { type Watch, type WatchOptions, watchLimits } from './watch.ts'

const MiB = 1024 ** 2
const session = newSessionId()
const outside = { alone: false, toolShell: '/no/shell' }
let folder: string
let told: { session: string | null; message: string; reason: string }[]
let watch: Watch
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'corral-watch-'))
  told = []
})
afterEach(() => {
  watch.close()
  for (const child of children.splice(0)) if (child.pid && child.exitCode === null) killGroup(child.pid)
  rmSync(folder, { recursive: true })
})

/** Beside what the tests themselves need. */
function limits(own: Partial<WatchOptions['limits']>, change: Partial<WatchOptions> = {}) {
  const already = readTable(outside)
  const bytes = already.reduce((sum, { residentBytes }) => sum + residentBytes, 0)
  const threads = already.reduce((sum, entry) => sum + entry.threads, 0)
  watch = watchLimits({
    limits: {
      memoryBytes: bytes + (own.memoryBytes ?? 64 * 1024 * MiB),
      processes: threads + (own.processes ?? 100_000),
      diskBytes: own.diskBytes ?? 1024 ** 4,
    },
    ...{ ...outside, folders: [folder], temporaryFolders: [], memoryKillsFile: join(folder, 'kills') },
    environment: { PATH: '/usr/bin:/bin' },
    busy: () => true,
    tell: (whose, message, reason) => told.push({ session: whose, message, reason }),
    failDiskFull: (whose) => told.push({ session: whose, message: 'failed', reason: 'disk_full' }),
    log: (level, message, fields) => {
      if (level === 'error')
        told.push({ session: null, message: `${message}: ${JSON.stringify(fields)}`, reason: level })
    },
    ...change,
  })
}

/** As agents start their tools: in a group of its own. */
function start(
  script: string,
  environment: Record<string, string> = {},
): { child: ChildProcess; end: Promise<unknown> } {
  const child = spawn('bash', ['-c', script], {
    env: { PATH: '/usr/bin:/bin', SESSION_ID: session, ...environment },
    detached: true,
    stdio: 'ignore',
  })
  children.push(child)
  return { child, end: once(child, 'exit').then(([code, signal]) => signal ?? code) }
}

function killGroup(pid: number) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** `tail` keeps what it reads until a line ends. */
const takes = (megabytes: number) => `tail -n 1 < <(head -c ${megabytes}M /dev/zero; exec sleep 30)`

test('the tool that takes most memory is ended, and the one beside it and the agent are not', async () => {
  limits({ memoryBytes: 300 * MiB })
  const agent = start(`exec ${takes(150)}`, { CORRAL_AGENT: session })
  const small = start('sleep 30')
  const hog = start(`${takes(400)}; exit $?`)
  // The shell around it lives on and can tell.
  expect(await hog.end).toBe(137)
  await expect.poll(() => told).toHaveLength(1)
  expect(told).toEqual([{ session, message: expect.stringContaining('"tail" had'), reason: 'out_of_memory' }])
  expect([agent.child.exitCode, small.child.exitCode]).toEqual([null, null])
  expect(watch.diedOfMemory(session)).toBe(false)
})

test('an agent that takes it all itself is ended, and its death has a reason', async () => {
  limits({ memoryBytes: 200 * MiB })
  const agent = start(`exec ${takes(400)}`, { CORRAL_AGENT: session })
  expect(await agent.end).toBe('SIGKILL')
  expect(watch.diedOfMemory(session)).toBe(true)
  expect(told).toEqual([{ session, message: expect.stringContaining('The agent had'), reason: 'out_of_memory' }])
})

test('a program that the kernel has ended is told of, and so is the death of an agent', async () => {
  writeFileSync(join(folder, 'kills'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n')
  limits({})
  expect(watch.diedOfMemory(session)).toBe(false)
  writeFileSync(join(folder, 'kills'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 4\n')
  expect(watch.diedOfMemory(session)).toBe(true)
  expect(told).toEqual([
    { session: null, message: expect.stringContaining('the system ended'), reason: 'out_of_memory' },
  ])
})

test('who multiplies without end is ended as a whole, and a neighbor is not', async () => {
  limits({ processes: 120 })
  const neighbor = start('sleep 30')
  const bomb = start('f() { f | f & }; for i in $(seq 400); do sleep 30 & done; wait')
  expect(await bomb.end).toBe('SIGKILL')
  await expect.poll(() => readTable(outside).filter(({ program }) => program === 'sleep').length).toBe(1)
  expect(neighbor.child.exitCode).toBeNull()
  expect(told).toEqual([{ session, message: expect.stringContaining('limit of'), reason: 'too_many_processes' }])
})

test('above the limit of the disk the tool that writes is ended, and one that deletes makes room', {
  timeout: 30_000,
}, async () => {
  limits({ diskBytes: 40 * MiB })
  const writes = start(`while :; do head -c 8M /dev/urandom >> ${folder}/large; sync ${folder}/large; sleep 0.1; done`)
  expect(await writes.end).toBe('SIGKILL')
  expect(told).toEqual([{ session, message: expect.stringContaining('its limit is 40 MiB'), reason: 'disk_full' }])
  expect(await start(`rm ${folder}/large`).end).toBe(0)
  const small = start(`for i in 1 2 3; do head -c 4M /dev/urandom > ${folder}/small; sleep 0.5; done`)
  expect(await small.end).toBe(0)
})

test('an agent that fills the disk itself is not ended, but its execution fails', { timeout: 30_000 }, async () => {
  limits({ diskBytes: 20 * MiB })
  const writes = `while :; do head -c 8M /dev/urandom >> ${folder}/large; sync ${folder}/large; sleep 0.1; done`
  const agent = start(writes, { CORRAL_AGENT: session })
  await expect.poll(() => told, { timeout: 20_000 }).toContainEqual({ session, message: 'failed', reason: 'disk_full' })
  expect(agent.child.exitCode).toBeNull()
})
