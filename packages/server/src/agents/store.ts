/**
 * The agents on this machine's disk, one folder `<name>@<version>` each, shared by all data folders. Sandboxes get such
 * a folder read-only, at another path and under another user; so it is self-contained and readable for all.
 * An agent is there whole or not at all: it is made aside, proven to start, and renamed into place.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { type AgentCatalog, agentCatalog, agentKinds, agentWires } from './catalog.ts'
import { type AgentReference, byNameAndVersion, catalogEntry, parseAgentReference } from './reference.ts'
import { unpackAgent } from './unpack.ts'

const run = promisify(execFile)

const unfinishedPrefix = '.installing-'
const removedPrefix = '.removing-'
const abandonedAfterMs = 60 * 60_000

/** `agent.json`, beside `node_modules`: whatever a later Corral's catalog says, this agent stays what it is. */
const recordSchema = z.object({
  name: z.string(),
  version: z.string(),
  kind: z.enum(agentKinds),
  wire: z.enum(agentWires),
  /** Its program, relative to its folder. */
  bin: z.string(),
})

export type InstalledAgent = z.infer<typeof recordSchema> & {
  /** Absolute path in the store. */
  folder: string
}

export type AgentStore = {
  /** `name` means the catalog's version, `name@1.2.3` that one. Answers at once when it is installed already. */
  install(reference: string): Promise<InstalledAgent>
  /** `undefined` when it is not installed; throws when the catalog does not know the name. */
  find(reference: string): Promise<InstalledAgent | undefined>
  /** By name, and of one name the newest last. */
  list(): Promise<InstalledAgent[]>
  /** False when it was not installed. Sessions that were made with it are refused until it is installed again. */
  remove(reference: AgentReference): Promise<boolean>
  /** The store itself is there, and may be entered by every user: sandboxes see all of it. */
  makeFolder(): Promise<void>
}

export function createAgentStore({
  folder,
  catalog = agentCatalog,
}: {
  folder: string
  catalog?: AgentCatalog
}): AgentStore {
  const folderOf = ({ name, version }: AgentReference): string => join(folder, `${name}@${version}`)

  async function read(agentFolder: string): Promise<InstalledAgent | undefined> {
    const recordPath = join(agentFolder, 'agent.json')
    if (!existsSync(recordPath)) return undefined
    return { ...recordSchema.parse(JSON.parse(await readFile(recordPath, 'utf8'))), folder: agentFolder }
  }

  async function makeFolder(): Promise<void> {
    await mkdir(folder, { recursive: true })
    const { mode } = await stat(folder)
    // Our umask may be strict.
    if ((mode & 0o055) !== 0o055) await chmod(folder, mode | 0o055)
  }

  async function add(reference: AgentReference): Promise<InstalledAgent> {
    const entry = catalogEntry(reference.name, catalog)
    await makeFolder()
    await removeAbandoned(folder)
    const unfinished = await mkdtemp(join(folder, unfinishedPrefix))
    try {
      const bin = await unpackAgent(unfinished, reference, entry)
      const record: z.infer<typeof recordSchema> = { ...reference, kind: entry.kind, wire: entry.wire, bin }
      await writeFile(join(unfinished, 'agent.json'), `${JSON.stringify(record, null, 2)}\n`)
      // Our umask may be strict, and `mkdtemp` always is.
      await run('chmod', ['-R', 'a+rX', unfinished])
      await rename(unfinished, folderOf(reference))
      return { ...record, folder: folderOf(reference) }
    } catch (error) {
      // Of two installs at once, the later one finds the folder taken and uses what is there.
      const installed = await read(folderOf(reference))
      if (installed) return installed
      throw error
    } finally {
      await rm(unfinished, { recursive: true, force: true })
    }
  }

  return {
    async install(text) {
      const reference = parseAgentReference(text, catalog)
      return (await read(folderOf(reference))) ?? (await add(reference))
    },

    find: (text) => read(folderOf(parseAgentReference(text, catalog))),

    async list() {
      if (!existsSync(folder)) return []
      const entries = (await readdir(folder)).filter((entry) => !entry.startsWith('.'))
      const agents = await Promise.all(entries.map((entry) => read(join(folder, entry))))
      return agents.filter((agent) => agent !== undefined).sort(byNameAndVersion)
    },

    /** Moved away first: an agent is there whole or not at all. */
    async remove(reference) {
      if (!(await read(folderOf(reference)))) return false
      const removed = await mkdtemp(join(folder, removedPrefix))
      await rename(folderOf(reference), join(removed, 'agent'))
      await rm(removed, { recursive: true })
      return true
    },

    makeFolder,
  }
}

/** What a killed install or removal left behind. One that may still be at work is younger. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(unfinishedPrefix) && !entry.startsWith(removedPrefix)) continue
    const path = join(folder, entry)
    const { mtimeMs } = await stat(path)
    if (mtimeMs < Date.now() - abandonedAfterMs) await rm(path, { recursive: true, force: true })
  }
}
