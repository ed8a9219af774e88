/** The agents that an installation has, as its command line tells of them. */
import { join } from 'node:path'
import type { Installation } from './installation.ts'

export type InstalledAgent = { name: string; program: string }

/** Null when it is not installed; tests of it are skipped then, with `notInstalled` as the reason. */
export async function installedAgent(
  corral: Pick<Installation, 'command'>,
  name: string,
): Promise<InstalledAgent | null> {
  const { stdout } = await corral.command(['agents', 'ls', '--json'])
  const installed: { name: string; folder: string; bin: string }[] = JSON.parse(stdout)
  const found = installed.find((agent) => agent.name === name)
  return found ? { name, program: join(found.folder, found.bin) } : null
}

export const notInstalled = (name: string) => `${name} is not installed; add it with "corral agents add ${name}"`
