import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { endProcesses, processesWith } from './processes.ts'

async function start(mark: string, script: string) {
  const [name = '', value] = mark.split('=')
  const child = spawn('sh', ['-c', script], {
    env: { PATH: '/usr/bin:/bin', [name]: value },
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [printed] = await once(child.stdout, 'data')
  return { child, printed: Number(printed) }
}

/** What was killed may stay a zombie until somebody reaps it. */
const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z')

it('ends what carries the mark, wherever it has moved to, and nothing else', async () => {
  const mark = `MARK=${crypto.randomUUID()}`
  const otherMark = `MARK=${crypto.randomUUID()}`
  const { child: other } = await start(otherMark, 'echo 0; exec sleep 600')
  // A child in a session of its own, and one without the mark in the parent's group.
  const { child, printed: unmarked } = await start(mark, 'setsid sleep 600 & env -i sleep 600 & echo $!; wait')
  expect(processesWith(mark).length).toBeGreaterThanOrEqual(2)
  const ended = once(child, 'exit')
  expect(await endProcesses(mark)).toBe(0)
  await ended
  expect([processesWith(mark), isAlive(unmarked)]).toEqual([[], false])
  expect(isAlive(other.pid ?? 0)).toBe(true)
  expect(await endProcesses(otherMark)).toBe(0)
})
