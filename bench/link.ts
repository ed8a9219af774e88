/**
 * From a supervisor's socket to a viewer's: twenty sandboxes with a session each stream at a given pace, each event in a
 * frame of its own, as agents make them, and each session has a viewer. Both ends are one other process, so one clock
 * measures; in between are the link, the redactor, the log on disk with its transcript, and the stream.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newSandboxId } from '@corral/protocol'
import { sandbox } from '../packages/server/src/database/schema.ts'
import type { Database } from '../packages/server/src/database/transaction.ts'
import { type ServedStream, serveStream } from '../packages/server/src/faces/cloud-agent/testStream.ts'
import { addUser, identityOn, quietLogger } from '../packages/server/src/identity/testIdentity.ts'
import { createHoldBack } from '../packages/server/src/secrets/holdBack.ts'
import { createRedactors } from '../packages/server/src/secrets/redactors.ts'
import { createLinks } from '../packages/server/src/supervisors/links.ts'
import { openLog } from '../packages/server/src/testing/log.ts'
import { type Benchmark, byTurns, type Row } from './benchmark.ts'
import { startChild } from './child.ts'
import type { FromLinkLoad, ToLinkLoad } from './linkLoad.ts'

const sessions = 20
const seconds = 4
const paces = [500, 1_000, 2_000, 4_000, 8_000]
/** The pace that has a target. */
const usual = 2_000

export const link: Benchmark = {
  name: 'link',
  async run({ openDatabase }) {
    const { database } = await openLog((await openDatabase()).pool)
    await addUser(database.pool, 'user-1')
    await using face = await serveStream({ database, identity: identityOn(database), userId: 'user-1' })
    await using door = await openDoor(database, face)
    await using load = startChild<ToLinkLoad, FromLinkLoad>('./linkLoad.ts')
    const members = await Promise.all(Array.from({ length: sessions }, () => addMember(database, face)))
    await load.ask({ dial: { path: door.path, members } })
    const p50 = new Map(paces.map((pace) => [pace, [] as number[]]))
    const p99 = new Map(paces.map((pace) => [pace, [] as number[]]))
    const measured = paces.map((pace) => [
      `${pace}`,
      async () => {
        const heard = await load.ask({ stream: { eventsPerSecond: pace, seconds } })
        if (!('p99' in heard)) throw new Error('the load did not say what it measured')
        p50.get(pace)?.push(heard.median)
        p99.get(pace)?.push(heard.p99)
        return heard.p99
      },
    ])
    await byTurns(Object.fromEntries(measured))
    return paces.flatMap((pace) => [
      row(pace, 'median', p50.get(pace) ?? [], pace === usual ? 5 : undefined),
      row(pace, 'p99', p99.get(pace) ?? [], pace === usual ? 20 : undefined),
    ])
  },
}

function row(pace: number, share: string, figures: number[], atMost: number | undefined): Row {
  return {
    what: `supervisor → viewer, ${pace.toLocaleString('en-US')} events/s, ${share}`,
    unit: 'ms',
    figures: figures.slice(1),
    ...(atMost !== undefined && { target: { of: 'median', atMost } }),
    point: { picture: 'latency-against-load', series: `supervisor's socket → viewer's, ${share}`, x: pace },
  }
}

/** Where supervisors dial, with everything that is between it and the log in a server. */
async function openDoor(database: Database, { log }: ServedStream): Promise<AsyncDisposable & { path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-bench-link-'))
  const path = join(folder, 'server.sock')
  const redactors = createRedactors({ secretsOf: async () => [] })
  const holdBack = createHoldBack({ redactors, offer: log.offer, holdMs: 500 })
  const links = createLinks({ database, offer: holdBack.offer, changed: () => {}, logger: quietLogger })
  await links.listen(path)
  return {
    path,
    async [Symbol.asyncDispose]() {
      holdBack.close()
      await links.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** A session in a sandbox of its own, whose supervisor has yet to dial, and an address for its viewer. */
async function addMember(database: Database, face: ServedStream) {
  const session = await face.addSession()
  const [id, token, bootId] = [newSandboxId(), randomBytes(16).toString('hex'), crypto.randomUUID()]
  const linkTokenHash = createHash('sha256').update(token).digest()
  await database.orm
    .insert(sandbox)
    .values({ id, name: `corral__${id}`, state: 'starting', driver: 'bwrap', bootId, linkTokenHash })
  await database.pool.query('update session set sandbox_id = $1 where id = $2', [id, session])
  const query = { cloudAgentSessionId: session, replay: 'false', ticket: await face.ticket(session) }
  return { session, token, bootId, viewerUrl: `${face.url}/stream?${new URLSearchParams(query)}` }
}
