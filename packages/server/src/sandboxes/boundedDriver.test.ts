import { newBootId, newSandboxId } from '@corral/protocol'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { boundedDriver } from './boundedDriver.ts'
import type { Driver, DriverRef, SandboxSpec } from './driver.ts'

const spec = { sandboxId: newSandboxId(), bootId: newBootId() } as SandboxSpec
const ref: DriverRef = {
  ...{ driver: 'bubblewrap', sandboxId: spec.sandboxId, bootId: spec.bootId },
  ...{ hostBootId: 'host', pid: 1, startTicks: 0 },
}

/** Nothing of it answers until it is told to. */
function silentDriver() {
  const starts = Promise.withResolvers<DriverRef>()
  const ended: DriverRef[] = []
  const never = new Promise<never>(() => {})
  const driver: Driver = {
    name: 'bubblewrap',
    start: () => starts.promise,
    inspect: () => never,
    stop(which) {
      ended.push(which)
      return never
    },
    list: () => never,
    tidy: () => never,
  }
  const timers = { sandboxStartMs: 40, driverAnswerMs: 40 }
  return { starts, ended, driver: boundedDriver(driver, { timers, logger: pino({ level: 'silent' }) }) }
}

test('what does not answer is not known, not confirmed, or a failure that says so', async () => {
  const { driver } = silentDriver()
  expect(await driver.inspect(ref)).toBe('unknown')
  expect(await driver.stop(ref, 10)).toBe('unconfirmed')
  await expect(driver.start(spec)).rejects.toThrow('did not start the sandbox within 0.04 s')
  await expect(driver.list()).rejects.toThrow('did not list its sandboxes')
  await expect(driver.tidy()).rejects.toThrow('did not tidy up')
})

test('a sandbox whose start was given up is ended when it comes after all', async () => {
  const { driver, starts, ended } = silentDriver()
  await expect(driver.start(spec)).rejects.toThrow('within')
  expect(ended).toEqual([])
  starts.resolve(ref)
  await vi.waitFor(() => expect(ended).toEqual([ref]))
})

test('one that came in time is not', async () => {
  const { driver, starts, ended } = silentDriver()
  starts.resolve(ref)
  expect(await driver.start(spec)).toBe(ref)
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(ended).toEqual([])
})
