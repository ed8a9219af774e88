import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bubblewrapDriver } from './bubblewrap.ts'
import { checkBubblewrap } from './bubblewrapCheck.ts'
import { conformance, useWorld } from './conformance/conformance.ts'
import { hostProcessesOf, processesIn } from './conformance/hostProcesses.ts'

const check = await checkBubblewrap()
if (!check.works) console.warn(`bubblewrap sandboxes are not tested: ${check.reason} ${check.remedy}`)

describe.runIf(check.works)('with bubblewrap', () => {
  conformance('bubblewrap', bubblewrapDriver)

  describe('a sandbox is its process 1:', () => {
    const world = useWorld(bubblewrapDriver)
    const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8')

    test('it lives on when the bwrap outside of it is killed', async () => {
      const { driver, start } = world()
      const guest = await start()
      const outer = Number(/^PPid:\s+(\d+)/m.exec(statusOf(guest.ref.pid))?.[1])
      expect(statusOf(outer)).toMatch(/^Name:\s+bwrap$/m)
      process.kill(outer, 'SIGKILL')
      await expect.poll(() => statusOf(guest.ref.pid)).not.toContain(`PPid:\t${outer}\n`)
      expect(await guest.read('echo', 'alive')).toBe('alive')
      expect(await driver.inspect(guest.ref)).toBe('running')
      expect(await driver.start(guest.spec)).toEqual(guest.ref)
      expect(await driver.stop(guest.ref, 5_000)).toBe('stopped')
    })

    test('everything inside has ended when it was killed', async () => {
      const { driver, start } = world()
      const guest = await start()
      const namespace = await guest.read('readlink', '/proc/self/ns/pid')
      expect(await hostProcessesOf(guest)).toContain(guest.ref.pid)
      process.kill(guest.ref.pid, 'SIGKILL')
      await expect.poll(() => driver.inspect(guest.ref)).toBe('stopped')
      expect(processesIn(namespace)).toEqual([])
    })

    test('another process with its id, later or after a restart of the host, is not taken for it', async () => {
      const { driver, start } = world()
      const { ref } = await start()
      const earlier = [
        { ...ref, startTicks: ref.startTicks - 1 },
        { ...ref, hostBootId: '00000000-0000-0000-0000-000000000000' },
      ]
      for (const other of earlier) {
        expect(await driver.inspect(other)).toBe('stopped')
        expect(await driver.stop(other, 0)).toBe('stopped')
      }
      expect(await driver.inspect(ref)).toBe('running')
    })

    test('who writes over its arguments from inside hides nothing', async () => {
      const { driver, start } = world()
      const guest = await start()
      await guest.run('node', '-e', overwriteArguments)
      expect(await driver.list()).toContainEqual(guest.ref)
    })

    test('it holds the lock, and its supervisor does not', async () => {
      const guest = await world().start()
      const { pid } = await guest.hello()
      expect(await guest.read('ls', '-l', '/proc/1/fd')).toMatch(/\/lock$/m)
      expect(await guest.read('ls', '-l', `/proc/${pid}/fd`)).not.toMatch(/\/lock$/m)
    })
  })

  describe('a sandbox that cannot be made', () => {
    const world = useWorld(bubblewrapDriver)

    test('is refused in the words of the program that failed, leaves nothing behind, and can be tried again', async () => {
      const { home, driver, newSpec, start } = world()
      const spec = newSpec()
      const agents = [{ name: 'missing', version: '1.0.0', folder: join(home, 'missing') }]
      await expect(driver.start({ ...spec, agents })).rejects.toMatchObject({
        problem: 'start_failed',
        message: expect.stringContaining(join(home, 'missing')),
      })
      expect(await driver.list()).toEqual([])
      expect(await (await start(spec)).hello()).toMatchObject({ incarnation: 1 })
    })
  })
})

/** `arg_start` and `arg_end` are the fields 48 and 49 of /proc/1/stat. */
const overwriteArguments = `
const fields = fs.readFileSync('/proc/1/stat', 'utf8').split(') ')[1].split(' ')
const [start, end] = [Number(fields[45]), Number(fields[46])]
fs.writeSync(fs.openSync('/proc/1/mem', 'r+'), 'x'.repeat(end - start - 1), start)`
