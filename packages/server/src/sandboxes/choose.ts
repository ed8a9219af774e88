/** Which driver makes the sandboxes: the one that is configured, else the first that works here. */
import { bubblewrapDriver } from './bubblewrap.ts'
import { checkBubblewrap } from './bubblewrapCheck.ts'
import type { Driver } from './driver.ts'

export async function chooseDriver(config: { home: string; sandboxDriver: string | null }): Promise<Driver> {
  const name = config.sandboxDriver ?? 'bubblewrap'
  if (name !== 'bubblewrap') {
    throw new Error(`CORRAL_SANDBOX_DRIVER is "${name}", which there is none of; use "bubblewrap", or leave it out.`)
  }
  const check = await checkBubblewrap()
  if (!check.works) throw new Error(`No sandbox can be made here: ${check.reason} ${check.remedy}`)
  return bubblewrapDriver({ dataFolder: config.home })
}
