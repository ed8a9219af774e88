import { newBootId } from '@corral/protocol'
import Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { conformance, useWorld } from './conformance/conformance.ts'
import { checkDocker } from './docker/check.ts'
import { type Daemon, daemonMissing, startDaemon } from './docker/testing/daemon.ts'
import { buildLocalImage } from './docker/testing/localImage.ts'
import type { DriverRef } from './driver.ts'

const missing = daemonMissing()
if (missing) console.warn(`Docker sandboxes are not tested: ${missing}.`)

const image = 'corral-sandbox-test'
const settings = { sandboxDriver: 'docker' as const, docker: { host: '', image, runtime: null } }

describe.skipIf(missing !== null)('with Docker', () => {
  let daemon: Daemon | undefined
  beforeAll(async () => {
    daemon = await startDaemon()
    settings.docker.host = daemon.host
    await buildLocalImage(daemon.host, image)
  }, 120_000)
  afterAll(() => daemon?.stop())

  conformance(settings)

  describe('what Docker alone can do to a sandbox:', () => {
    const world = useWorld(settings)
    const containerOf = (ref: DriverRef) => {
      if (ref.driver !== 'docker') throw new TypeError(`This sandbox was made by ${ref.driver}.`)
      return new Docker({ socketPath: settings.docker.host.replace('unix://', '') }).getContainer(ref.containerId)
    }

    test('a container that was ended from outside makes room for the next life', async () => {
      const { driver, start } = world()
      const first = await start()
      await first.hello()
      await containerOf(first.ref).stop({ t: 0 })
      expect(await driver.inspect(first.ref)).toBe('stopped')
      const again = await start({ ...first.spec, bootId: newBootId() })
      expect(await again.hello(2)).toMatchObject({ bootId: again.spec.bootId })
      expect(await driver.stop(again.ref, 5_000)).toBe('stopped')
    })

    test('a paused one counts as running', async () => {
      const { driver, start } = world()
      const { ref } = await start()
      await containerOf(ref).pause()
      expect(await driver.inspect(ref)).toBe('running')
      expect(await driver.list()).toContainEqual(ref)
      await containerOf(ref).unpause()
    })

    test('one that was removed from outside is stopped', async () => {
      const { driver, start } = world()
      const { ref } = await start()
      await containerOf(ref).remove({ force: true })
      expect(await driver.inspect(ref)).toBe('stopped')
      expect(await driver.stop(ref, 0)).toBe('stopped')
    })
  })

  test('it is told what is missing: the image, the engine, an engine on this machine', async () => {
    const check = (docker: Partial<typeof settings.docker>) => checkDocker({ ...settings.docker, ...docker })
    expect(await check({})).toEqual({ works: true })
    expect(await check({ image: 'no-such-image' })).toMatchObject({
      problem: 'not_installed',
      reason: 'Docker has no image no-such-image.',
      remedy: expect.stringContaining('docker build --tag no-such-image'),
    })
    expect(await check({ host: 'unix:///nowhere/docker.sock' })).toMatchObject({ problem: 'not_installed' })
    expect(await check({ host: 'tcp://10.0.0.1:2375' })).toMatchObject({ problem: 'not_supported' })
  })
})
