import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import {
  accountIds,
  allocateHostUser,
  asHostUser,
  canSwitchUser,
  firstHostUser,
  hostBindRoot,
  hostUserIdsUsable,
  hostUsersMapped,
  lastHostUser,
  nextHostUser,
  subordinateRanges,
} from './hostUser.ts'

const run = promisify(execFile)

describe('a new host user', () => {
  test('gets the first id, and then one above all that were ever given', () => {
    expect(nextHostUser([], [])).toBe(firstHostUser)
    expect(nextHostUser([firstHostUser + 7, firstHostUser + 2], [])).toBe(firstHostUser + 8)
  })

  test('gets no id of an account or a rootless container, also where their ranges touch', () => {
    const reserved = [
      { first: firstHostUser + 10, count: 5 },
      { first: firstHostUser, count: 10 },
    ]
    expect(nextHostUser([], reserved)).toBe(firstHostUser + 15)
  })

  test('is refused when no id is left', () => {
    expect(() => nextHostUser([lastHostUser], [])).toThrow('No host user id is left')
  })

  test('is found on this host', () => {
    expect(allocateHostUser([firstHostUser])).toBeGreaterThan(firstHostUser)
  })
})

test('ids are read from the files of the host, broken lines aside', () => {
  expect(subordinateRanges('ann:100000:65536\n\n# odd\nbob:x:1\n')).toEqual([{ first: 100000, count: 65536 }])
  expect(accountIds('root:x:0:0:root:/root:/bin/bash\n\nodd\nann:x:1000:1000::/home/ann:/bin/sh\n')).toEqual([0, 1000])
})

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
