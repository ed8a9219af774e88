import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { endProcesses, processesWith } from './processes.ts'

const start = (environment: Record<string, string>, script: string) =>
  spawn('sh', ['-c', script], { env: { PATH: '/usr/bin:/bin', ...environment }, stdio: ['ignore', 'pipe', 'ignore'] })

it('ends what carries the mark, wherever it has moved to, and nothing else', async () => {
  const mark = `MARK=${crypto.randomUUID()}`
  const environment = { MARK: mark.slice('MARK='.length) }
  const other = start({ MARK: 'another' }, 'echo up; sleep 600')
  // A child in a session of its own whose parent ends, and one without the mark in the parent's group.
  const parent = start(environment, 'setsid sleep 600 & env -i sleep 600 & echo up; wait')
  await Promise.all([once(other.stdout, 'data'), once(parent.stdout, 'data')])
  expect(processesWith(mark).length).toBeGreaterThanOrEqual(2)
  expect(await endProcesses(mark)).toBe(0)
  expect(processesWith(mark)).toEqual([])
  expect(other.exitCode).toBe(null)
  other.kill('SIGKILL')
})
