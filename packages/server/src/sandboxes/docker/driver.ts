// Sandboxes by Docker: for images with a team's own toolchain. Invariants: a container's name is its sandbox's, and Docker
// gives a name once, so a second start is harmless, whoever calls it; what is ours is told by labels, which nobody inside
// can write; the driver itself keeps no state.
import { realpath, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import { z } from 'zod'
import { dataFolderName } from '../../host/runFolder.ts'
import { type DockerRef, type Driver, SandboxError, type SandboxSpec } from '../driver.ts'
import { makeSandboxFolder, openLog, writeBootFile } from '../folder.ts'
import { insideSource, isBootId, isSandboxId } from '../layout.ts'
import { explainFailure } from './check.ts'
import { type ContainerUser, containerName, containerOf, labels } from './container.ts'
import { dockerEngine, refusedWith, unlessRefused } from './engine.ts'

const startTimeoutMs = 5_000
const killTimeoutMs = 5_000

export type DockerOptions = { dataFolder: string; host: string | null; image: string; runtime: string | null }

export function dockerDriver({ dataFolder, host, image, runtime }: DockerOptions): Driver<DockerRef> {
  const engine = dockerEngine(host)

  async function start(spec: SandboxSpec): Promise<DockerRef> {
    const mark = await markOf(dataFolder)
    const until = performance.now() + startTimeoutMs
    for (;;) {
      const found = await look(engine, containerName(mark, spec.sandboxId))
      if (found?.bootId === spec.bootId && found.alive) return begin(spec, found.id)
      if (found?.alive && found.running) {
        throw new SandboxError(
          'already_running',
          `${spec.sandboxId} still runs as ${found.bootId}; it must be stopped first.`,
        )
      }
      if (found) await unlessRefused(engine.getContainer(found.id).remove({ force: true }), 404, 409)
      const made = await create(mark, spec)
      if (made !== null) return begin(spec, made)
      // Somebody else has just taken the name: the same start by another server, or a container on its way out.
      if (performance.now() > until)
        throw new SandboxError('start_failed', `The name of ${spec.sandboxId} stays taken.`)
      await delay(20)
    }
  }

  /** Null when the name is taken. */
  async function create(mark: string, spec: SandboxSpec): Promise<string | null> {
    const paths = await makeSandboxFolder(spec)
    await writeBootFile(paths, spec)
    await (await openLog(paths, spec)).close()
    const user = userOf(spec)
    const sources = { inside: insideSource, passwd: `${spec.folder}/passwd`, group: `${spec.folder}/group` }
    await writeFile(sources.passwd, passwdOf(user), { mode: 0o644 })
    await writeFile(sources.group, `corral:x:${user.gid}:\n`, { mode: 0o644 })
    try {
      return (await engine.createContainer(containerOf({ mark, spec, user, image, runtime, sources }))).id
    } catch (error) {
      if (refusedWith(error) === 409) return null
      throw await explainFailure(error, { host, image })
    }
  }

  /** Starting what runs already changes nothing. */
  async function begin(spec: SandboxSpec, id: string): Promise<DockerRef> {
    try {
      await unlessRefused(engine.getContainer(id).start(), 304)
    } catch (error) {
      await unlessRefused(engine.getContainer(id).remove({ force: true }), 404, 409)
      throw await explainFailure(error, { host, image })
    }
    return { driver: 'docker', sandboxId: spec.sandboxId, bootId: spec.bootId, containerId: id }
  }

  async function inspect(ref: DockerRef): Promise<'running' | 'stopped' | 'unknown'> {
    try {
      const found = await look(engine, ref.containerId)
      return found?.running ? 'running' : 'stopped'
    } catch {
      // Whatever hinders the engine from answering says nothing about the sandbox.
      return 'unknown'
    }
  }

  return {
    name: 'docker',
    start,
    inspect,

    async stop(ref, graceMs) {
      const container = engine.getContainer(ref.containerId)
      await unlessRefused(container.kill({ signal: 'SIGTERM' }), 404, 409)
      if (!(await ended(ref, graceMs))) await unlessRefused(container.kill({ signal: 'SIGKILL' }), 404, 409)
      const confirmed = await ended(ref, killTimeoutMs)
      await unlessRefused(container.remove({ force: true }), 404, 409)
      return confirmed ? 'stopped' : 'unconfirmed'
    },

    async tidy() {
      const mark = await markOf(dataFolder)
      const filters = { label: [`${labels.mark}=${mark}`], status: ['exited', 'dead'] }
      for (const { Id } of await engine.listContainers({ all: true, filters }))
        await unlessRefused(engine.getContainer(Id).remove({ force: true }), 404, 409)
    },

    async list() {
      const mark = await markOf(dataFolder)
      const filters = { label: [`${labels.mark}=${mark}`], status: ['created', 'running', 'paused', 'restarting'] }
      const found = await engine.listContainers({ all: true, filters })
      return found.flatMap(({ Id, Labels }): DockerRef[] => {
        const { [labels.sandboxId]: sandboxId = '', [labels.bootId]: bootId = '' } = Labels
        if (!isSandboxId(sandboxId) || !isBootId(bootId)) return []
        return [{ driver: 'docker', sandboxId, bootId, containerId: Id }]
      })
    },
  }

  async function ended(ref: DockerRef, timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs
    for (;;) {
      if ((await inspect(ref)) === 'stopped') return true
      if (performance.now() >= until) return false
      await delay(Math.min(50, Math.max(1, until - performance.now())))
    }
  }
}

type Found = {
  id: string
  bootId: string | undefined
  running: boolean
  /** Made and not started yet, or running. */
  alive: boolean
}

async function look(engine: Docker, nameOrId: string): Promise<Found | null> {
  const found = await unlessRefused(engine.getContainer(nameOrId).inspect(), 404)
  if (!found) return null
  const status = z.string().parse(found.State.Status)
  const running = found.State.Running || status === 'paused' || status === 'restarting'
  return {
    id: found.Id,
    bootId: found.Config.Labels[labels.bootId],
    running,
    alive: running || status === 'created',
  }
}

const markOf = async (dataFolder: string): Promise<string> => dataFolderName(await realpath(dataFolder))

const userOf = (spec: SandboxSpec): ContainerUser =>
  spec.hostUser === undefined
    ? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    : { uid: spec.hostUser, gid: spec.hostUser }

const passwdOf = ({ uid, gid }: ContainerUser): string => `corral:x:${uid}:${gid}:corral:/home:/bin/sh\n`
