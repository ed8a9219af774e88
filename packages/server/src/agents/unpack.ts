/**
 * Fills an empty folder with an agent from npm: its package, the one native program that fits this processor, and proof
 * that the program starts and is of the asked version. The folder then needs nothing outside itself.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { AgentEntry } from './catalog.ts'
import { choosePlatformPackage, cpuHasAvx2 } from './platformPackage.ts'
import type { AgentReference } from './reference.ts'

const run = promisify(execFile)

const npmTimeoutMs = 10 * 60_000
const firstStartTimeoutMs = 60_000

/** Returns the path of the agent's program, relative to `folder`. */
export async function unpackAgent(folder: string, reference: AgentReference, entry: AgentEntry): Promise<string> {
  await installPackage(folder, `${entry.npmPackage}@${reference.version}`)
  const bin = await keepOneProgram(folder, entry)
  await verifyVersion(folder, bin, reference)
  return bin
}

/** Install scripts stay off: the agents' only link the native program, and we start it by its own path. */
async function installPackage(folder: string, spec: string): Promise<void> {
  const options = ['--prefix', folder, '--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  try {
    await run('npm', ['install', ...options, spec], { cwd: folder, timeout: npmTimeoutMs })
  } catch (cause) {
    throw new Error(`npm could not install ${spec}. Try it by hand to see why: npm install ${spec}`, { cause })
  }
}

/** Removes the builds that this processor has no use for. */
async function keepOneProgram(folder: string, entry: AgentEntry): Promise<string> {
  const modules = join(folder, 'node_modules')
  const platformPackages = await optionalDependenciesOf(join(modules, entry.npmPackage))
  const installed = platformPackages.filter((name) => existsSync(join(modules, name)))
  const kept = choosePlatformPackage(installed, cpuHasAvx2())
  if (kept === undefined) {
    throw new Error(`${entry.npmPackage} has no program for ${process.platform} on ${process.arch}.`)
  }
  for (const name of installed) {
    if (name !== kept) await rm(join(modules, name), { recursive: true })
  }
  return join('node_modules', kept, 'bin', entry.command)
}

const manifestSchema = z.object({ optionalDependencies: z.record(z.string(), z.string()).default({}) })

async function optionalDependenciesOf(packageFolder: string): Promise<string[]> {
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')))
  return Object.keys(manifest.optionalDependencies)
}

/** In a home folder of its own, since agents write to it as soon as they start. */
async function verifyVersion(folder: string, bin: string, { name, version }: AgentReference): Promise<void> {
  const home = await mkdtemp(join(folder, 'home-'))
  const env = { HOME: home, PATH: '/usr/bin:/bin' }
  try {
    const { stdout } = await run(join(folder, bin), ['--version'], { env, timeout: firstStartTimeoutMs })
    if (!stdout.split(/\s+/).includes(version)) throw new Error(`It answered: ${stdout}`)
  } catch (cause) {
    throw new Error(`${name}@${version} was installed, but \`${bin} --version\` does not answer ${version}.`, { cause })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
