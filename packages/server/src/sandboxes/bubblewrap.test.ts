import { execFile } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { checkBubblewrap } from './bubblewrapCheck.ts'
import { namespaces } from './bubblewrapCommand.ts'
import { findTrees } from './cgroups/cgroups.ts'
import { conformance, useWorld } from './conformance/conformance.ts'
import { whatMayBeOpened } from './conformance/escape/escape.ts'
import { hostProcessesOf, processesIn } from './conformance/hostProcesses.ts'
import { type Guest, makeWorld } from './conformance/world.ts'

const check = await checkBubblewrap()
if (!check.works) console.warn(`bubblewrap sandboxes are not tested: ${check.reason} ${check.remedy}`)

const trees = await findTrees()
if (!trees) console.warn('control groups are not tested: none can be made here')

const settings = { sandboxDriver: 'bubblewrap', docker: { host: null, image: '', runtime: null } } as const

function refOf({ ref }: Guest) {
  if (ref.driver !== 'bubblewrap') throw new TypeError(`This sandbox was made by ${ref.driver}.`)
  return ref
}

describe.runIf(check.works)('with bubblewrap', () => {
  conformance(settings)

  describe('a sandbox is its process 1:', () => {
    const world = useWorld(settings)
    const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8')

    test('it lives on when the bwrap outside of it is killed', async () => {
      const { driver, start } = world()
      const guest = await start()
      const outer = Number(/^PPid:\s+(\d+)/m.exec(statusOf(refOf(guest).pid))?.[1])
      expect(statusOf(outer)).toMatch(/^Name:\s+bwrap$/m)
      process.kill(outer, 'SIGKILL')
      await expect.poll(() => statusOf(refOf(guest).pid)).not.toContain(`PPid:\t${outer}\n`)
      expect(await guest.read('echo', 'alive')).toBe('alive')
      expect(await driver.inspect(guest.ref)).toBe('running')
      expect(await driver.start(guest.spec)).toEqual(guest.ref)
      expect(await driver.stop(guest.ref, 5_000)).toBe('stopped')
    })

    test('everything inside has ended when it was killed', async () => {
      const { driver, start } = world()
      const guest = await start()
      const namespace = await guest.read('readlink', '/proc/self/ns/pid')
      expect(await hostProcessesOf(guest)).toContain(refOf(guest).pid)
      process.kill(refOf(guest).pid, 'SIGKILL')
      await expect.poll(() => driver.inspect(guest.ref)).toBe('stopped')
      expect(processesIn(namespace)).toEqual([])
    })

    test('another process with its id, later or after a restart of the host, is not taken for it', async () => {
      const { driver, start } = world()
      const ref = refOf(await start())
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
      // What is closed while it is listed is no failure of the list.
      const openIn = (id: number) => guest.read('sh', '-c', 'ls -l "/proc/$0/fd" 2>/dev/null || true', `${id}`)
      expect(await openIn(1)).toMatch(/\/lock$/m)
      expect(await openIn(pid)).toMatch(/-> socket:/m)
      expect(await openIn(pid)).not.toMatch(/\/lock$/m)
    })
  })

  describe('its limits are those of a control group, where there are some:', () => {
    const world = useWorld(settings)
    const groupsOf = ({ spec }: Guest) =>
      Object.values(trees?.parents ?? {}).flatMap((parent) =>
        globSync(join(parent, 'corral', '*', spec.sandboxId)).map((folder) => readdirSync(folder)),
      )

    test.runIf(trees)('everything of it is in the group, and the group ends with it', async () => {
      const { driver, start } = world()
      const guest = await start()
      await guest.hello()
      expect(groupsOf(guest)).toHaveLength(Object.keys(trees?.parents ?? {}).length)
      for (const pid of await hostProcessesOf(guest))
        expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(`/${guest.spec.sandboxId}\n`)
      expect(await guest.read('grep', 'oom_kill ', '/corral/memory-kills')).toBe('oom_kill 0')
      await driver.stop(guest.ref, 5_000)
      expect(groupsOf(guest)).toEqual([])
    })

    test.runIf(trees)(
      'the group of one that ended by itself is tidied away, and that of one that lives is not',
      async () => {
        const { driver, start } = world()
        const [dead, alive] = await Promise.all([start(), start()])
        process.kill(refOf(dead).pid, 'SIGKILL')
        await expect.poll(() => driver.inspect(dead.ref)).toBe('stopped')
        await expect
          .poll(async () => {
            await driver.tidy()
            return groupsOf(dead)
          })
          .toEqual([])
        expect(groupsOf(alive)).not.toEqual([])
      },
    )

    test('without, it weighs less than the server', async () => {
      const { newSpec, start } = world()
      const spec = newSpec()
      const guest = await start({ ...spec, limits: { ...spec.limits, cgroups: false } })
      expect(groupsOf(guest)).toEqual([])
      expect(Number(await guest.read('nice'))).toBe(Math.min(getPriority() + 5, 19))
    })
  })

  // A container whose ids are few: then a sandbox is the host's root to the kernel, although without its capabilities.
  test.runIf(process.geteuid?.() === 0)(
    'of a root server without host users it writes no file of the kernel',
    async () => {
      await using world = await makeWorld(settings)
      const { hostUser: _, ...spec } = world.newSpec()
      const guest = await world.start(spec)
      expect(await guest.read('cat', '/proc/self/uid_map')).toMatch(/^1000\s+0\s/)
      expect(await whatMayBeOpened(guest.read)).toMatchObject({ kernel: [] })
      const bare = ['--ro-bind', '/', '/', ...namespaces, '--']
      const inBareOne = await whatMayBeOpened(async (...command) => {
        const { stdout } = await promisify(execFile)('bwrap', [...bare, process.execPath, ...command.slice(1)])
        return stdout
      })
      expect(inBareOne.kernel).toContain('/proc/sys/kernel/core_pattern')
    },
  )

  describe('a sandbox that cannot be made', () => {
    const world = useWorld(settings)

    test('is refused in the words of the program that failed, leaves nothing behind, and can be tried again', async () => {
      const { home, driver, newSpec, start } = world()
      const spec = newSpec()
      const agentsFolder = join(home, 'missing')
      await expect(driver.start({ ...spec, agentsFolder })).rejects.toMatchObject({
        problem: 'start_failed',
        message: expect.stringContaining(agentsFolder),
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
