// What the conformance suite needs around a driver: a data folder below a private home, the doors, an agent, sandboxes
// under host users of their own where this host allows it; and everything is gone when the world is closed.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { newBootId, newSandboxId } from '@corral/protocol'
import { hostUserIdsUsable } from '../../host/hostUser.ts'
import { newHostUser } from '../../host/newHostUser.ts'
import { type DriverConfig, driverNamed } from '../choose.ts'
import { type DriverRef, driverRefSchema, type SandboxSpec } from '../driver.ts'
import { sandboxFolder } from '../layout.ts'
import { openDoor } from './door.ts'

export type DriverSettings = Pick<DriverConfig, 'docker'> & { sandboxDriver: DriverRef['driver'] }
export type World = Awaited<ReturnType<typeof makeWorld>>
export type Guest = Awaited<ReturnType<World['start']>>

export const linkToken = 'link-token-that-nobody-may-see'
const MiB = 1024 * 1024
const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export async function makeWorld(settings: DriverSettings) {
  const configOf = (folder: string) => ({ ...settings, home: folder })
  const driverOf = (folder: string) => driverNamed(settings.sandboxDriver, configOf(folder))
  const home = mkdtempSync(join(tmpdir(), 'corral-'))
  chmodSync(home, 0o700)
  const [dataFolder, doorsFolder, agentsFolder] = [join(home, 'data'), join(home, 'doors'), join(home, 'agents')]
  for (const folder of [dataFolder, doorsFolder, agentsFolder]) mkdirSync(folder)
  addAgent('sample@1.2.3', 'I am the agent')
  const serverDoor = join(doorsFolder, 'server.sock')
  const driver = driverOf(dataFolder)
  const processes: ChildProcess[] = []
  let door = await openDoor(serverDoor)

  function addAgent(name: string, says: string): void {
    mkdirSync(join(agentsFolder, name))
    writeFileSync(join(agentsFolder, name, 'agent.sh'), `echo ${says}\n`)
  }

  function newSpec(): SandboxSpec {
    const sandboxId = newSandboxId()
    const hostUser = hostUserIdsUsable() ? newHostUser(null) : undefined
    return {
      ...{ sandboxId, bootId: newBootId(), folder: sandboxFolder(dataFolder, sandboxId), doorsFolder, linkToken },
      ...{ supervisorBundle: fileOf('./supervisor.mjs'), nodeBinary: process.execPath },
      agentsFolder,
      ...(hostUser === undefined ? {} : { hostUser }),
      limits: { memoryBytes: 160 * MiB, processes: 100, diskBytes: 32 * MiB, cpus: null, cgroups: true },
    }
  }

  const guestOf = (spec: SandboxSpec, ref: DriverRef) => ({
    spec,
    ref,
    hello: (incarnation?: number) => door.hello(spec.bootId, incarnation),
    run: (...command: string[]) => door.run(spec.bootId, command),
    /** What the command writes; it must succeed. */
    async read(...command: string[]) {
      const { code, stdout, stderr } = await door.run(spec.bootId, command)
      if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}`)
      return stdout.trim()
    },
  })

  return {
    home,
    dataFolder,
    doorsFolder,
    driver,
    driverOf,
    addAgent,
    newSpec,
    guestOf,
    start: async (spec = newSpec()) => guestOf(spec, await driver.start(spec)),

    /** A supervisor with this source. */
    supervisor(source: string): string {
      const path = join(home, `supervisor-${processes.length}.mjs`)
      writeFileSync(path, source)
      return path
    },

    async remakeDoor() {
      await door.close()
      rmSync(serverDoor, { force: true })
      door = await openDoor(serverDoor)
    },

    /** Started by another process, which has the host's root folder open as descriptor 42. */
    async startElsewhere(spec = newSpec()) {
      const stdio = [...Array.from({ length: 42 }, (_, fd) => (fd === 1 ? 'pipe' : 'ignore')), openSync('/', 'r')]
      const args = [fileOf('./starter.ts'), driver.name, JSON.stringify(configOf(dataFolder)), JSON.stringify(spec)]
      const starter = spawn(process.execPath, args, { stdio, detached: true })
      processes.push(starter)
      if (!starter.stdout) throw new Error('The starter has no standard output.')
      for await (const line of createInterface({ input: starter.stdout })) {
        return { starter, guest: guestOf(spec, driverRefSchema.parse(JSON.parse(line))) }
      }
      throw new Error('The starter ended without a sandbox.')
    },

    async [Symbol.asyncDispose]() {
      for (const { pid } of processes) if (pid && existsSync(`/proc/${pid}`)) process.kill(-pid, 'SIGKILL')
      for (const ref of await driver.list()) await driver.stop(ref, 0)
      await driver.tidy()
      await door.close()
      rmSync(home, { recursive: true })
    },
  }
}
