import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import {
  asHostUser,
  canSwitchUser,
  firstHostUser,
  hostBindRoot,
  hostUserIdsUsable,
  hostUsersMapped,
} from './hostUser.ts'

const run = promisify(execFile)

test('ids count as mapped only when the whole range is', () => {
  expect(hostUsersMapped('         0          0 4294967295\n')).toBe(true)
  expect(hostUsersMapped('0 1000 1\n1 100000 65536\n')).toBe(false)
  expect(hostUsersMapped('')).toBe(false)
})

test('root without the capability to mount may not switch users', () => {
  expect(canSwitchUser('CapEff:\t000001ffffffffff\n')).toBe(true)
  expect(canSwitchUser('CapEff:\t00000000a80425fb\n')).toBe(false)
  expect(canSwitchUser('')).toBe(false)
})

test('a target outside the private tmpfs is refused', () => {
  const binds = [{ source: '/tmp', target: '/etc' }]
  expect(() => asHostUser({ uid: firstHostUser, gid: firstHostUser, binds }, ['true'])).toThrow(hostBindRoot)
})

describe.skipIf(!hostUserIdsUsable())('a command run as a host user (needs root)', () => {
  const uid = firstHostUser + 4_000
  const folders: string[] = []
  const folder = (parent: string) => {
    const path = mkdtempSync(join(parent, 'corral host '))
    folders.push(path)
    return path
  }
  afterEach(() => {
    for (const path of folders.splice(0)) rmSync(path, { recursive: true })
  })
  const hostRun = async (source: string, command: string[]) => {
    const binds = [
      { source, target: `${hostBindRoot}/data` },
      { source: process.execPath, target: `${hostBindRoot}/bin/node` },
    ]
    const [file = '', ...args] = asHostUser({ uid, gid: uid, binds }, command)
    return (await run(file, args, { timeout: 10_000 })).stdout.trim()
  }

  test('is that user, without groups and capabilities, and cannot gain any', async () => {
    const status = await hostRun(folder(tmpdir()), ['cat', '/proc/self/status'])
    expect(status).toMatch(new RegExp(`^Uid:(\\s+${uid}){4}$`, 'm'))
    expect(status).toMatch(new RegExp(`^Gid:(\\s+${uid}){4}$`, 'm'))
    expect(status).toMatch(/^Groups:\s*$/m)
    expect(status).toMatch(/^CapEff:\s+0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
  })

  test('reaches a bound folder and a bound program although they lie below a private home', async () => {
    const source = folder(homedir())
    chownSync(source, uid, uid)
    writeFileSync(join(source, 'in'), 'given')
    const script = `cat ${hostBindRoot}/data/in; echo made > ${hostBindRoot}/data/out; ${hostBindRoot}/bin/node -p 6*7`
    expect(await hostRun(source, ['sh', '-c', script])).toBe('given42')
    expect(statSync(join(source, 'out')).uid).toBe(uid)
    await expect(hostRun(source, ['cat', join(source, 'in')])).rejects.toThrow()
  })

  test('leaves no mount on the host and passes arguments as they are', async () => {
    expect(await hostRun(folder(tmpdir()), ['printf', '%s|', 'a b', '--', '$HOME', "it's"])).toBe("a b|--|$HOME|it's|")
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(hostBindRoot)
  })

  test('fails when something cannot be bound', async () => {
    await expect(hostRun('/does/not/exist', ['true'])).rejects.toThrow(/exist/)
  })
})
