import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { supervisorBundle } from './bundle.ts'

const run = promisify(execFile)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'corral-bundle-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('the same sources give one file under one name, also when asked for twice at once', async () => {
  const [one, other] = await Promise.all([supervisorBundle({ folder }), supervisorBundle({ folder })])
  expect(one).toBe(other)
  expect(await supervisorBundle({ folder })).toBe(one)
  expect(await readdir(folder)).toEqual([basename(one)])
})

test('the file needs nothing but Node: far from its sources the supervisor starts, and misses only its boot file', async () => {
  const file = await supervisorBundle({ folder })
  const started = run(process.execPath, [file], { cwd: folder, env: { CORRAL_STATE_DIR: folder } })
  await expect(started).rejects.toThrow('There is no boot file')
})
