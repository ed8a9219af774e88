/**
 * Many sessions that are started at once, with an agent or without: a setup command that fails ends the first execution
 * when the sandbox and the checkout are there and before there is an agent.
 */
import { globSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Envelope } from '@corral/protocol'
import { dataFolderName } from '../../packages/server/src/host/runFolder.ts'
import type { Installation } from '../harness/installation.ts'
import { processesOf } from '../harness/processes.ts'
import { makeRepository } from '../harness/repositories.ts'
import { play, say } from '../harness/script.ts'
import { endingOf, follow } from '../harness/viewer.ts'

export type Member = {
  end: 'completed' | 'failed' | 'interrupted' | null
  reason: string | undefined
  /** From the call to the supervisor's word; null when it was never heard. */
  connectedMs: number | null
  endedMs: number
}

const patienceMs = 300_000

export async function startCrowd(corral: Installation, { count, agents }: { count: number; agents: boolean }) {
  const gitUrl = await makeRepository(join(corral.repositories, `crowd-${crypto.randomUUID()}.git`), { 'a.md': 'A.\n' })
  const setupCommands = agents ? [] : ['exit 1']
  const configuration = { prompt: play(say('Here.')), mode: 'code', model: 'scripted/demo', gitUrl, setupCommands }
  return Promise.all(Array.from({ length: count }, () => startMember(corral, configuration)))
}

type Configuration = Parameters<Installation['corral']['call']['start']['mutate']>[0]

async function startMember({ corral }: Installation, configuration: Configuration): Promise<Member> {
  const beganAtMs = Date.now()
  const { cloudAgentSessionId, executionId } = await corral.call.start.mutate(configuration)
  const viewer = follow(corral, cloudAgentSessionId)
  try {
    const end = await viewer.ended(executionId, patienceMs)
    const connected = viewer.events.find(isConnected)
    return {
      end: endingOf(end),
      reason: end.streamEventType === 'error' ? end.data.reason : undefined,
      connectedMs: connected ? Date.parse(connected.timestamp) - beganAtMs : null,
      endedMs: Date.parse(end.timestamp) - beganAtMs,
    }
  } finally {
    viewer.close()
  }
}

const isConnected = (event: Envelope): boolean =>
  event.streamEventType === 'status' && event.data.step === 'supervisor_connect'

/** The memory of everything in sandboxes, in bytes; what several share is counted once. */
export async function memoryOfSandboxes({ folder }: Installation): Promise<number> {
  const inside = (await processesOf(folder)).filter(({ commandLine }) =>
    /^(sh )?\/(corral|opt\/agents)\//.test(commandLine),
  )
  const rollups = await Promise.all(
    inside.map(({ pid }) => readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')),
  )
  return rollups.reduce((sum, text) => sum + Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024, 0)
}

/** Control groups and mounts that are there for an installation; asked for before its end, to be called after it. */
export async function remainsOf({ home, folder }: Installation): Promise<() => Promise<string[]>> {
  const mark = dataFolderName(await realpath(home))
  return async () => [
    ...globSync(`/sys/fs/cgroup/{corral,*/corral}/${mark}`),
    ...(await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(folder)),
  ]
}
