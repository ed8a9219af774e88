/**
 * The control groups of the sandboxes of one data folder: `corral/<mark>/<sandbox>` in each tree that this process may
 * write to. Invariants: a group is made before its sandbox and holds every process of it from the first; it is removed
 * only when it is empty, for which the kernel stands; without a usable tree there are none, and nothing fails.
 */
import { constants } from 'node:fs'
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { SandboxId } from '@corral/protocol'
import { hasCode } from '../../host/systemError.ts'
import { SandboxError, type SandboxLimits } from '../driver.ts'
import { type Controller, controllers, findHierarchy } from './hierarchy.ts'
import { allSandboxes, killCountFile, type Setting, settingsOf } from './settings.ts'

/** For each controller that can be used, the folder below which we may make groups. */
export type Trees = { version: 1 | 2; parents: Readonly<Partial<Record<Controller, string>>> }

/** What a sandbox's processes have to be written to, and where its killed ones are counted. */
export type SandboxGroup = { procs: string[]; killCount: string | null }

const group = 'corral'
const removeTimeoutMs = 2_000

/** Looked for each time: the machine may be set up anew while the server runs. */
export async function findTrees(): Promise<Trees | null> {
  if (process.platform !== 'linux') return null
  const [mountinfo, selfCgroup] = await Promise.all(
    ['mountinfo', 'cgroup'].map((name) => readFile(`/proc/self/${name}`, 'utf8')),
  )
  const hierarchy = findHierarchy(mountinfo ?? '', selfCgroup ?? '')
  if (hierarchy === null) return null
  if (hierarchy.version === 1) {
    const usable = await Promise.all(
      Object.entries(hierarchy.mounts).map(async ([name, mount]) => ((await writable(mount)) ? [[name, mount]] : [])),
    )
    return treesOf(1, Object.fromEntries(usable.flat()))
  }
  // The root for a root server; else the group that a service manager gave to ours, when we sit in a part of it.
  for (const place of [hierarchy.mount, join(hierarchy.mount, dirname(hierarchy.own))]) {
    const given = await delegated(place)
    if (given.length > 0) return treesOf(2, Object.fromEntries(given.map((name) => [name, place])))
  }
  return null
}

const treesOf = (version: 1 | 2, parents: Trees['parents']): Trees | null =>
  parents.memory === undefined ? null : { version, parents }

/** The controllers that groups below `place` can have, once they are asked for. */
async function delegated(place: string): Promise<Controller[]> {
  const switches = join(place, 'cgroup.subtree_control')
  if (!(await writable(place)) || !(await writable(switches))) return []
  const offered = (await readFile(join(place, 'cgroup.controllers'), 'utf8')).trim().split(' ')
  const wanted = controllers.filter((name) => offered.includes(name))
  try {
    await writeFile(switches, wanted.map((name) => `+${name}`).join(' '))
  } catch (error) {
    // A group with processes of its own cannot have groups below it.
    if (hasCode(error, 'EBUSY', 'ENOTSUP', 'EACCES', 'EPERM')) return []
    throw error
  }
  return wanted
}

/** Repeated, it changes nothing. */
export async function makeGroup(
  trees: Trees,
  { mark, sandboxId, limits }: { mark: string; sandboxId: SandboxId; limits: SandboxLimits },
): Promise<SandboxGroup> {
  const settings = settingsOf(trees.version, limits)
  try {
    const folders = places(trees).map((parent) => join(parent, group, mark, sandboxId))
    for (const folder of folders) await mkdir(folder, { recursive: true })
    if (trees.version === 2) for (const parent of places(trees)) await passDown(parent, mark)
    await write(trees, [], allSandboxes(trees.version))
    await write(trees, [mark, sandboxId], settings)
    const { memory } = trees.parents
    return {
      procs: folders.map((folder) => join(folder, 'cgroup.procs')),
      killCount: memory ? join(memory, group, mark, sandboxId, killCountFile(trees.version)) : null,
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new SandboxError('start_failed', `The control group of ${sandboxId} could not be made: ${error.message}`, {
      remedy: 'Set "cgroups": false in "sandboxLimits" of corral.config.json to do without.',
      cause: error,
    })
  }
}

/** In version 2 each level has to give its controllers to the next. */
async function passDown(parent: string, mark: string): Promise<void> {
  for (const folder of [join(parent, group), join(parent, group, mark)]) {
    const offered = (await readFile(join(folder, 'cgroup.controllers'), 'utf8')).trim().split(' ')
    const wanted = controllers.filter((name) => offered.includes(name))
    await writeFile(join(folder, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '))
  }
}

async function write(trees: Trees, path: string[], settings: readonly Setting[]): Promise<void> {
  for (const { controller, file, value, ifThere } of settings) {
    const parent = trees.parents[controller]
    if (parent === undefined) continue
    try {
      await writeFile(join(parent, group, ...path, file), value, { flag: 'r+' })
    } catch (error) {
      if (!ifThere || !hasCode(error, 'ENOENT', 'EACCES')) throw error
    }
  }
}

/** Resolves also when it is not empty within 2 s: `removeEmptyGroups` finds it later. */
export async function removeGroup(trees: Trees, mark: string, sandboxId: SandboxId): Promise<void> {
  const until = performance.now() + removeTimeoutMs
  for (const parent of places(trees)) {
    const folder = join(parent, group, mark, sandboxId)
    while (!(await removed(folder)) && performance.now() < until) await delay(20)
    await removed(dirname(folder))
  }
}

/** What sandboxes left behind that ended by themselves. For when none is being started. */
export async function removeEmptyGroups(trees: Trees, mark: string): Promise<void> {
  for (const parent of places(trees)) {
    const folder = join(parent, group, mark)
    for (const name of await foldersIn(folder)) await removed(join(folder, name))
    await removed(folder)
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).flatMap((it) => (it.isDirectory() ? [it.name] : []))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** The kernel removes an empty group alone. */
async function removed(folder: string): Promise<boolean> {
  try {
    await rmdir(folder)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true
    if (hasCode(error, 'EBUSY', 'ENOTEMPTY')) return false
    throw error
  }
}

/** Controllers may share a tree. */
const places = ({ parents }: Trees): string[] => [...new Set(Object.values(parents))]

async function writable(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES', 'EROFS', 'EPERM')) return false
    throw error
  }
}
