/**
 * What a server takes of memory as it stands, with a thousand sessions that have been, and with a viewer of each; and what
 * a supervisor takes that has just begun, and one whose agent has had some turns. Of the real processes, as the kernel
 * counts them, a while after anything has happened in them.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionId } from '@corral/protocol'
import { eventually } from '../e2e/harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from '../e2e/harness/installation.ts'
import { processesOf } from '../e2e/harness/processes.ts'
import { makeRepository } from '../e2e/harness/repositories.ts'
import { play, say } from '../e2e/harness/script.ts'
import { createDoor } from '../packages/client/src/door.ts'
import type { Benchmark, Row } from './benchmark.ts'
import { startChild } from './child.ts'
import { fillDatabase } from './fillDatabase.ts'
import type { FromViewers, ToViewers } from './viewers.ts'

const count = 1_000
const turns = 5
const samples = 5
const settleMs = 10_000
const sampleEveryMs = 2_000
const turnMs = 120_000
const ticketMs = 30_000
const ticketsAtOnce = 20
const MB = 1_000_000

export const memory: Benchmark = {
  name: 'memory',
  async run({ openDatabase }) {
    const { pool, url } = await openDatabase()
    const corral = await startInstallation({ env: { DATABASE_URL: url } })
    try {
      await using viewers = startChild<ToViewers, FromViewers>('./viewers.ts')
      const server = await residentOf(corral, isServer)
      const { template, rows } = await supervisors(corral)
      const { userId } = await corral.corral.call.getSession.query({ cloudAgentSessionId: template })
      const before = await residentOf(corral, isServer)
      const sessions = await fillDatabase(pool, { template, userId, sessions: count, eventsEach: 100 })
      for (let from = 0; from < sessions.length; from += ticketsAtOnce) {
        const some = sessions.slice(from, from + ticketsAtOnce)
        await viewers.ask({ dial: await Promise.all(some.map((session) => viewerUrl(corral, session))) })
      }
      const watched = await residentOf(corral, isServer)
      const each =
        (watched.reduce((sum, figure, i) => sum + figure - (before[i] ?? figure), 0) * 1_000) / samples / count
      return [
        ...rows,
        { what: 'server, just started', unit: 'MB', figures: server },
        {
          ...{ what: 'server, 1,000 idle sessions and 1,000 viewers', unit: 'MB', figures: watched },
          reference: { what: 'without them', figures: before },
          target: { of: 'median', atMost: 250 },
        },
        { what: 'server, an idle session and its viewer', unit: 'kB', figures: [each] },
      ] satisfies Row[]
    } finally {
      await corral.end()
    }
  },
}

/** Before there is an agent, and after turns of one; `template` is a session that has been. */
async function supervisors(corral: Installation): Promise<{ template: SessionId; rows: Row[] }> {
  const { call } = corral.corral
  const gitUrl = await makeRepository(join(corral.repositories, 'memory.git'), { 'a.md': 'A.\n' })
  const configuration = { prompt: play(say('Here.')), mode: 'code', model: 'scripted/demo', gitUrl } as const
  const first = await call.start.mutate({ ...configuration, setupCommands: ['exit 1'] })
  await ended(corral, first.cloudAgentSessionId)
  const fresh = await residentOf(corral, isSupervisor)
  await call.deleteSession.mutate({ cloudAgentSessionId: first.cloudAgentSessionId })
  await eventually('the end of a supervisor', turnMs, async () =>
    (await found(corral, isSupervisor)).length === 0 ? true : null,
  )

  const { cloudAgentSessionId: template } = await call.start.mutate(configuration)
  await ended(corral, template)
  const once = await residentOf(corral, isSupervisor)
  for (let turn = 1; turn < turns; turn++) {
    await call.sendMessage.mutate({ cloudAgentSessionId: template, prompt: play(say(`This is turn ${turn}.`)) })
    await ended(corral, template)
  }
  const later = await residentOf(corral, isSupervisor)
  const target = { of: 'median', atMost: 75 } as const
  return {
    template,
    rows: [
      { what: 'supervisor, before there is an agent', unit: 'MB', figures: fresh, target },
      { what: 'supervisor, idle after a turn', unit: 'MB', figures: once, target },
      { what: `supervisor, idle after ${turns} turns`, unit: 'MB', figures: later, target },
    ],
  }
}

const ended = ({ corral }: Installation, cloudAgentSessionId: SessionId) =>
  eventually('the end of a turn', turnMs, async () => {
    const { execution, queuedCount } = await corral.call.getSession.query({ cloudAgentSessionId })
    const isOver = execution?.status !== 'queued' && execution?.status !== 'running'
    return isOver && queuedCount === 0 ? true : null
  })

type Which = (commandLine: string) => boolean
const isServer: Which = (commandLine) => / up$/.test(commandLine)
const isSupervisor: Which = (commandLine) => /^\/corral\/node .*supervisor\.mjs$/.test(commandLine)

const found = async ({ folder }: Installation, which: Which) =>
  (await processesOf(folder)).filter(({ commandLine }) => which(commandLine))

/** In MB, some times in a row, once it has come to rest. */
async function residentOf(corral: Installation, which: Which): Promise<number[]> {
  await delay(settleMs)
  const [one, ...others] = await found(corral, which)
  if (!one || others.length > 0) throw new Error(`There are ${others.length + (one ? 1 : 0)} of what is one.`)
  const figures: number[] = []
  while (figures.length < samples) {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${one.pid}/status`, 'utf8')) ?? []
    figures.push((Number(kib) * 1024) / MB)
    await delay(sampleEveryMs)
  }
  return figures
}

async function viewerUrl({ url, corral }: Installation, session: SessionId): Promise<string> {
  const door = createDoor({ url, headers: { authorization: `Bearer ${apiKey}` }, call: corral.call }, session)
  const address = door.socketUrl
  address.searchParams.set('ticket', await door.ticket(AbortSignal.timeout(ticketMs)))
  return address.href
}
