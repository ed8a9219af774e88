// Start, survival and end of sandboxes, as the fleet relies on them.
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newBootId } from '@corral/protocol'
import { expect, test } from 'vitest'
import { processesIn } from './hostProcesses.ts'
import type { World } from './world.ts'

const graceMs = 5_000

export function lifeTests(world: () => World): void {
  test('starting it again answers the same, one after the other, at once, and by another server', async () => {
    const { driver, driverOf, dataFolder, newSpec } = world()
    const spec = newSpec()
    const atOnce = await Promise.all([driver.start(spec), driver.start(spec), driverOf(dataFolder).start(spec)])
    const again = await driver.start(spec)
    expect(new Set([...atOnce, again].map((ref) => JSON.stringify(ref))).size).toBe(1)
    expect((await driver.list()).filter(({ sandboxId }) => sandboxId === spec.sandboxId)).toEqual([again])
  })

  test('it is refused a second life while the first one lasts', async () => {
    const { driver, start } = world()
    const { spec, ref } = await start()
    await expect(driver.start({ ...spec, bootId: newBootId() })).rejects.toMatchObject({ problem: 'already_running' })
    expect(await driver.inspect(ref)).toBe('running')
  })

  test('its next life finds the files of the one before', async () => {
    const { driver, start } = world()
    const first = await start()
    await first.read('sh', '-c', 'echo work > /workspace/kept; echo mine > /home/kept')
    await driver.stop(first.ref, graceMs)
    const second = await start({ ...first.spec, bootId: newBootId() })
    expect(await second.hello()).toMatchObject({ incarnation: 2 })
    expect(await second.read('cat', '/workspace/kept', '/home/kept')).toBe('work\nmine')
    expect(await driver.inspect(first.ref)).toBe('stopped')
  })

  test('a link that it left in place of its boot file is not followed', async () => {
    const { home, driver, start } = world()
    const victim = join(home, 'victim')
    writeFileSync(victim, 'untouched')
    const first = await start()
    await first.read('ln', '-sf', victim, '/corral/state/boot.json')
    await driver.stop(first.ref, graceMs)
    const bootId = newBootId()
    expect(await (await start({ ...first.spec, bootId })).hello(2)).toMatchObject({ bootId })
    expect(readFileSync(victim, 'utf8')).toBe('untouched')
  })

  test('whatever it did to its own folders, its next life begins', async () => {
    const { driver, start } = world()
    const first = await start()
    const spoil = `chdir "/corral/state"; unlink "boot.json"; mkdir "boot.json"; chdir "boot.json";
      for (1 .. 30) { mkdir "d" x 200 or die; chdir "d" x 200 or die }
      chmod 0, "/workspace", "/home", "/corral/state/boot.json", "/corral/state" or die`
    await first.read('perl', '-e', spoil)
    await driver.stop(first.ref, 0)
    const bootId = newBootId()
    const second = await start({ ...first.spec, bootId })
    expect(await second.hello(2)).toMatchObject({ bootId })
    expect(await second.run('touch', '/workspace/it', '/home/it', '/corral/state/it')).toMatchObject({ code: 0 })
  })

  test('a door that was made anew while it runs is reached again', async () => {
    const { start, remakeDoor } = world()
    const guest = await start()
    const { pid } = await guest.hello()
    await remakeDoor()
    expect(await guest.hello()).toMatchObject({ incarnation: 1, pid })
  })

  test('its supervisor is started again when it was killed, and what it started is reaped', async () => {
    const guest = await world().start()
    const { pid } = await guest.hello()
    await guest.read('sh', '-c', 'sleep 0.1 >/dev/null 2>&1 & true')
    await guest.read('sh', '-c', `(sleep 0.05; kill -9 ${pid}) >/dev/null 2>&1 &`)
    expect(await guest.hello(2)).toMatchObject({ incarnation: 2 })
    await expect.poll(() => guest.read('sh', '-c', 'cat /proc/[0-9]*/stat | grep -c " Z " || true')).toBe('0')
  })

  test('nobody inside can kill or freeze its process 1', async () => {
    const { driver, start } = world()
    const guest = await start()
    await guest.read('sh', '-c', 'kill -9 1; kill -STOP 1; kill -INT 1')
    expect(await guest.read('echo', 'alive')).toBe('alive')
    expect(await driver.inspect(guest.ref)).toBe('running')
  })

  test('a tool that ends its whole process group ends the supervisor at most', async () => {
    const guest = await world().start()
    await guest.hello()
    await guest.read('sh', '-c', '(sleep 0.05; kill 0) >/dev/null 2>&1 &')
    expect(await guest.hello(2)).toMatchObject({ incarnation: 2 })
  })

  test('it survives the process that started it, and takes none of its open files along', async () => {
    const { driver, driverOf, dataFolder, startElsewhere } = world()
    const { starter, guest } = await startElsewhere()
    await guest.hello()
    const ended = once(starter, 'exit')
    process.kill(-Number(starter.pid), 'SIGINT')
    process.kill(-Number(starter.pid), 'SIGKILL')
    await ended
    expect(await guest.read('sh', '-c', 'ls -l /proc/[0-9]*/fd')).not.toMatch(/-> \/$/m)
    expect(await driver.inspect(guest.ref)).toBe('running')
    expect(await driver.list()).toContainEqual(guest.ref)
    expect(await driverOf(dataFolder).start(guest.spec)).toEqual(guest.ref)
    expect(await guest.hello()).toMatchObject({ incarnation: 1 })
  })

  test('stopping lets its supervisor end by itself, ends everything, and may be repeated', async () => {
    const { driver, start } = world()
    const { ref, spec, ...guest } = await start()
    const namespace = await guest.read('readlink', '/proc/self/ns/pid')
    await guest.read('sh', '-c', 'sleep 4321 >/dev/null 2>&1 & true')
    const stops = await Promise.all([driver.stop(ref, graceMs), driver.stop(ref, graceMs)])
    expect(stops).toEqual(['stopped', 'stopped'])
    expect(existsSync(join(spec.folder, 'workspace/ended-by-itself'))).toBe(true)
    // The kernel has ended them all with process 1; on a busy host the last may still be on its way out.
    await expect.poll(() => processesIn(namespace), { timeout: 2_000 }).toEqual([])
    expect(await driver.stop(ref, graceMs)).toBe('stopped')
    expect(await driver.inspect(ref)).toBe('stopped')
    expect((await driver.list()).map(({ sandboxId }) => sandboxId)).not.toContain(spec.sandboxId)
  })

  test('stopping does not wait longer than asked for a supervisor that ignores it', async () => {
    const { driver, newSpec, start, supervisor } = world()
    const stubborn = `process.on('SIGTERM', () => {}); await import('node:fs').then((fs) => fs.writeFileSync('/workspace/up', '')); setInterval(() => {}, 1000)`
    const { ref, spec } = await start({ ...newSpec(), supervisorBundle: supervisor(stubborn) })
    await expect.poll(() => existsSync(join(spec.folder, 'workspace/up')), { timeout: 5_000 }).toBe(true)
    const began = performance.now()
    expect(await driver.stop(ref, 100)).toBe('stopped')
    expect(performance.now() - began).toBeLessThan(3_000)
  })

  test('a supervisor that ends at once is started again ever more slowly, and its words are in the log', async () => {
    const { driver, newSpec, start, supervisor } = world()
    const { ref, spec } = await start({
      ...newSpec(),
      supervisorBundle: supervisor('throw new Error("broken bundle")'),
    })
    const log = () => readFileSync(join(spec.folder, 'log'), 'utf8')
    await expect
      .poll(log, { timeout: 10_000 })
      .toMatch(/broken bundle[\s\S]*started again in 0.25 s[\s\S]*again in 0.5 s/)
    expect(await driver.inspect(ref)).toBe('running')
    expect(await driver.stop(ref, graceMs)).toBe('stopped')
  })

  test('a supervisor that was fenced is not started again, and its sandbox still ends when it is asked to', async () => {
    const { driver, newSpec, start, supervisor } = world()
    const { ref, spec } = await start({ ...newSpec(), supervisorBundle: supervisor('process.exit(41)') })
    const log = () => readFileSync(join(spec.folder, 'log'), 'utf8')
    await expect.poll(log, { timeout: 10_000 }).toContain('was fenced and is not started again')
    expect(await driver.inspect(ref)).toBe('running')
    expect(await driver.stop(ref, graceMs)).toBe('stopped')
    expect(log()).not.toContain('started again in')
  })

  test('a log that has grown too large is emptied', async () => {
    const { driver, start } = world()
    const first = await start()
    await first.read('sh', '-c', 'head -c 2M /dev/zero > /proc/1/fd/1')
    await driver.stop(first.ref, graceMs)
    const log = join(first.spec.folder, 'log')
    expect(statSync(log).size).toBeGreaterThan(2_000_000)
    await start({ ...first.spec, bootId: newBootId() })
    await expect.poll(() => statSync(log).size).toBeLessThan(1_000_000)
  })

  test('it is listed for its own data folder alone', async () => {
    const { home, driver, driverOf, start } = world()
    const { ref } = await start()
    expect(await driver.list()).toContainEqual(ref)
    const another = join(home, 'another')
    mkdirSync(another)
    expect(await driverOf(another).list()).toEqual([])
  })
}
