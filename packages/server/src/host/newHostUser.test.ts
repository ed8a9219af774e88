import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { firstHostUser, lastHostUser } from './hostUser.ts'
import { accountIds, newHostUser, nextHostUser, subordinateRanges } from './newHostUser.ts'

const run = promisify(execFile)

describe('a new host user', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'corral-host-users-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('gets an id above those that any data folder of this host was given', () => {
    const first = newHostUser(null, folder)
    expect(first).toBeGreaterThanOrEqual(firstHostUser)
    expect(newHostUser(null, folder)).toBeGreaterThan(first)
    expect(newHostUser(first + 100, folder)).toBe(first + 101)
    expect(readdirSync(folder)).toEqual([String(first + 101)])
  })

  test('gets an id of its own when several servers ask at once', async () => {
    const script = `import { newHostUser } from ${JSON.stringify(join(import.meta.dirname, 'newHostUser.ts'))}
      for (let i = 0; i < 200; i++) console.log(newHostUser(null, process.argv[1]))`
    const servers = await Promise.all(
      [1, 2, 3].map(() => run(process.execPath, ['--input-type=module', '-e', script, folder], { timeout: 20_000 })),
    )
    const given = servers.flatMap(({ stdout }) => stdout.trim().split('\n'))
    expect(given).toHaveLength(600)
    expect(new Set(given).size).toBe(600)
  })

  test('gets no id of an account or a rootless container, also where their ranges touch', () => {
    const reserved = [
      { first: firstHostUser + 10, count: 5 },
      { first: firstHostUser, count: 10 },
    ]
    expect(nextHostUser(0, reserved)).toBe(firstHostUser + 15)
  })

  test('is refused when no id is left', () => {
    expect(() => nextHostUser(lastHostUser, [])).toThrow('No host user id is left')
  })
})

test('ids are read from the files of the host, broken lines aside', () => {
  expect(subordinateRanges('ann:100000:65536\n\n# odd\nbob:x:1\n')).toEqual([{ first: 100000, count: 65536 }])
  expect(accountIds('root:x:0:0:root:/root:/bin/bash\n\nodd\nann:x:1000:1000::/home/ann:/bin/sh\n')).toEqual([0, 1000])
})
