import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acquireOwnership, type Owner, probeOwner } from './ownerLock.ts'

let folder: string
const children: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'corral-owner-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

const owner = (pid: number): Owner => ({ pid, startedAt: '2026-01-01T00:00:00.000Z' })

/** A process that says `ready`, asks for the lock when told to, and says whether it has it. */
function startAcquirer() {
  const source = `
    import { acquireOwnership } from ${JSON.stringify(fileURLToPath(new URL('./ownerLock.ts', import.meta.url)))}
    process.stdin.once('data', async () => {
      const { ok } = await acquireOwnership(${JSON.stringify(folder)}, { pid: process.pid, startedAt: '' })
      console.log(ok)
    })
    console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const nextLine = async () => (await lines.next()).value
  return { child, nextLine, go: () => child.stdin.write('go\n') }
}

async function startOwner() {
  const acquirer = startAcquirer()
  acquirer.go()
  expect(await acquirer.nextLine()).toBe('ready')
  expect(await acquirer.nextLine()).toBe('true')
  return acquirer.child
}

/** What an owner leaves that was killed: a socket on which nobody listens. */
async function leaveDeadSocket(): Promise<void> {
  const server = createServer()
  server.listen(join(folder, 'listening'))
  await once(server, 'listening')
  mkdirSync(join(folder, 'owner'), { recursive: true })
  renameSync(join(folder, 'listening'), join(folder, 'owner', 'dead'))
  server.close()
  await once(server, 'close')
}

describe('the lock of a data folder', () => {
  test('is held by one, and others are told by whom and since when where it serves', async () => {
    const first = await acquireOwnership(folder, owner(1))
    if (!first.ok) throw new Error('the lock was free')
    expect(await acquireOwnership(folder, owner(2))).toEqual({ ok: false, owner: owner(1) })

    first.announce({ ...owner(1), url: 'http://127.0.0.1:1' })
    expect(await probeOwner(folder)).toEqual({ state: 'known', owner: { ...owner(1), url: 'http://127.0.0.1:1' } })

    await first.release()
    expect(await probeOwner(folder)).toEqual({ state: 'none' })
    const next = await acquireOwnership(folder, owner(2))
    if (!next.ok) throw new Error('the lock was free')
    await next.release()
    expect(readdirSync(folder)).toEqual(['owner'])
  })

  test('ends with the process that holds it', async () => {
    const child = await startOwner()
    expect(await probeOwner(folder)).toMatchObject({ state: 'known', owner: { pid: child.pid } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const next = await acquireOwnership(folder, owner(2))
    expect(next.ok).toBe(true)
    if (next.ok) await next.release()
  })

  test('stays with a process that is frozen and cannot say who it is', async () => {
    const child = await startOwner()
    child.kill('SIGSTOP')
    expect(await acquireOwnership(folder, owner(2))).toEqual({ ok: false, owner: null })
  })

  test('goes to exactly one of 20 processes that find a dead owner at once', async () => {
    await leaveDeadSocket()
    const acquirers = Array.from({ length: 20 }, startAcquirer)
    await Promise.all(acquirers.map(({ nextLine }) => nextLine()))
    for (const { go } of acquirers) go()
    const answers = await Promise.all(acquirers.map(({ nextLine }) => nextLine()))
    expect(answers.toSorted()).toEqual([...Array(19).fill('false'), 'true'])
  })

  test('goes to exactly one of 20 acquirers, a hundred times, with a dead owner each time', async () => {
    for (let round = 0; round < 100; round++) {
      await leaveDeadSocket()
      const all = await Promise.all(Array.from({ length: 20 }, (_, pid) => acquireOwnership(folder, owner(pid))))
      const winners = all.flatMap((each) => (each.ok ? [each] : []))
      expect(winners).toHaveLength(1)
      await Promise.all(winners.map((winner) => winner.release()))
    }
  })
})
