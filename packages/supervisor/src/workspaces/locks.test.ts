import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newSessionId } from '@corral/protocol'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { endProcesses, sessionMark } from '../host/processes.ts'
import { createFolder } from '../testing/folder.ts'
import { git as look } from '../testing/repository.ts'
import { removeAbandonedLocks } from './locks.ts'

let folder: ReturnType<typeof createFolder>
let running: ChildProcess
const session = newSessionId()
const mark = sessionMark(session)
const lock = () => join(folder.path, '.git', 'index.lock')

/** A `git add` that is in the middle of its work, and holds the lock of the index. */
beforeEach(async () => {
  folder = createFolder()
  look(folder.path, 'init', '--quiet')
  look(folder.path, 'config', 'filter.slow.clean', 'sleep 60')
  writeFileSync(join(folder.path, '.gitattributes'), '*.slow filter=slow\n')
  writeFileSync(join(folder.path, 'one.slow'), 'one\n')
  const env = { PATH: process.env.PATH, SESSION_ID: session }
  running = spawn('git', ['add', '--all'], { cwd: folder.path, env, stdio: 'ignore' })
  await expect.poll(() => existsSync(lock())).toBe(true)
})
afterEach(async () => {
  await endProcesses(mark)
  folder.remove()
})

it('leaves the lock of a git that is at work, and removes that of one that was killed', async () => {
  removeAbandonedLocks(folder.path, mark)
  expect(existsSync(lock())).toBe(true)

  running.kill('SIGKILL')
  await endProcesses(mark)
  expect(existsSync(lock())).toBe(true)
  expect(() => look(folder.path, 'add', '.gitattributes')).toThrow()
  removeAbandonedLocks(folder.path, mark)
  look(folder.path, 'add', '.gitattributes')
  expect(look(folder.path, 'ls-files')).toBe('.gitattributes')
})
