/**
 * Which driver makes the sandboxes: the one that is configured, else the first that works here. Sandboxes that another
 * one made before live on and are ended by the one that made them, told by their references.
 */
import { bubblewrapDriver } from './bubblewrap.ts'
import { checkBubblewrap } from './bubblewrapCheck.ts'
import type { Driver, DriverCheck, DriverRef } from './driver.ts'

export type DriverConfig = {
  home: string
  sandboxDriver: DriverRef['driver'] | null
  docker: { host: string | null; image: string; runtime: string | null }
}

export const driverNames = ['bubblewrap', 'docker'] as const satisfies DriverRef['driver'][]

/** The Docker driver's library is loaded only where it is used. */
export const checkDriver = async (name: DriverRef['driver'], config: DriverConfig): Promise<DriverCheck> =>
  name === 'bubblewrap' ? checkBubblewrap() : (await import('./docker/check.ts')).checkDocker(config.docker)

export async function chooseDriver(config: DriverConfig): Promise<Driver> {
  const failures: string[] = []
  for (const name of config.sandboxDriver ? [config.sandboxDriver] : driverNames) {
    const check = await checkDriver(name, config)
    if (check.works) return driverNamed(name, config)
    failures.push(`${name}: ${check.reason} ${check.remedy}`)
  }
  throw new Error(`No sandbox can be made here.\n${failures.join('\n')}`)
}

/** Starts with the driver of this name, and looks after what any driver has started in this data folder. */
export function driverNamed(name: DriverRef['driver'], config: DriverConfig): Driver {
  const bubblewrap = bubblewrapDriver({ dataFolder: config.home })
  const docker = async () =>
    (await import('./docker/driver.ts')).dockerDriver({ dataFolder: config.home, ...config.docker })
  return {
    name,
    start: async (spec) => (name === 'bubblewrap' ? bubblewrap.start(spec) : (await docker()).start(spec)),
    inspect: async (ref) => (ref.driver === 'bubblewrap' ? bubblewrap.inspect(ref) : (await docker()).inspect(ref)),
    stop: async (ref, graceMs) =>
      ref.driver === 'bubblewrap' ? bubblewrap.stop(ref, graceMs) : (await docker()).stop(ref, graceMs),
    list: async () => [...(await bubblewrap.list()), ...(name === 'docker' ? await (await docker()).list() : [])],
    async tidy() {
      await bubblewrap.tidy()
      if (name === 'docker') await (await docker()).tidy()
    },
  }
}
