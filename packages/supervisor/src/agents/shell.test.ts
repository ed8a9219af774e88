import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { oomScores } from '../limits/oomScores.ts'
import { makeToolShell } from './shell.ts'

const folder = mkdtempSync(join(tmpdir(), 'corral-shell-'))
afterAll(() => rmSync(folder, { recursive: true }))
const shell = makeToolShell(join(folder, 'shell'))
const run = (...args: string[]) => spawnSync(shell, args, { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } })

test('a shell that a signal has ended is one that exited with its number', () => {
  expect(run('-c', 'kill -9 $$')).toMatchObject({ status: 137, signal: null })
  expect(run('-c', 'exec kill -TERM $$')).toMatchObject({ status: 143, signal: null })
})

test('otherwise it is the real one, by name, by arguments and by status', () => {
  expect(basename(shell)).toBe('bash')
  const end = run('-c', 'echo "$0 $1 $BASH_VERSION"; exit 7', 'zero', 'one  and')
  expect(end.status).toBe(7)
  expect(end.stdout).toMatch(/^zero one {2}and \d/)
})

test('what it starts is ended by the kernel before an agent', () => {
  expect(Number(run('-c', 'cat /proc/self/oom_score_adj').stdout)).toBe(oomScores.tool)
})
