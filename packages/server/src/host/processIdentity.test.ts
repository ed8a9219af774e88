import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { identifyProcess, parseStat, processEnded, processState } from './processIdentity.ts'

test('a process is followed to its end, and stays ended', async () => {
  const child = spawn('sleep', ['4321'], { stdio: 'ignore' })
  await once(child, 'spawn')
  const identity = await identifyProcess(Number(child.pid))
  if (!identity) throw new Error('The process is not there.')
  expect(await processState(identity)).toBe('running')
  expect(await processEnded(identity, 30)).toBe(false)
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  expect(await processEnded(identity, 5_000)).toBe(true)
  await exit
  expect(await identifyProcess(identity.pid)).toBeUndefined()
})

test('the start time is found behind a name with spaces and parentheses, and a zombie is not alive', () => {
  const fields = (state: string) => [state, ...Array.from({ length: 18 }, () => '0'), '4711', '0'].join(' ')
  expect(parseStat(`7 (a) S (b c) ${fields('S')}`)).toEqual({ alive: true, startTicks: 4711 })
  expect(parseStat(`7 (sh) ${fields('Z')}`)).toEqual({ alive: false, startTicks: 4711 })
  expect(parseStat('')).toBeUndefined()
})
