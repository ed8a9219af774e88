/**
 * How long an event takes from the hand of the link to the socket of a viewer, on disk in between. Beside it the bare
 * insert of one row. Once with nothing else to do, and once while fifty other sessions stream.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'pg'
import { type ServedStream, serveStream } from '../packages/server/src/faces/cloud-agent/testStream.ts'
import { addUser, identityOn } from '../packages/server/src/identity/testIdentity.ts'
import { delta, openLog } from '../packages/server/src/testing/log.ts'
import { type Benchmark, byTurns, shares } from './benchmark.ts'

const samples = 500
const busySessions = 50
const busyFrameMs = 20

export const latency: Benchmark = {
  name: 'latency',
  async run({ openDatabase }) {
    const { pool } = await openDatabase()
    const { database } = await openLog(pool)
    const identity = identityOn(database)
    await addUser(database.pool, 'user-1')
    await using face = await serveStream({ database, identity, userId: 'user-1' })
    const path: number[][] = []
    const insert: number[][] = []
    const loaded: number[][] = []
    await byTurns({
      path: async () => path.push(await watchEach(face)),
      insert: async () => insert.push(await insertEach(pool)),
      loaded: async () => loaded.push(await whileBusy(face, () => watchEach(face))),
    })
    const rows = [
      { what: 'offer → viewer', of: path },
      { what: `offer → viewer, ${busySessions} sessions streaming`, of: loaded },
    ]
    return rows.flatMap(({ what, of }) =>
      shares.map((share) => ({
        what: `${what}, ${share.name}`,
        unit: 'ms',
        figures: share.of(of),
        reference: { what: `bare insert of one row, ${share.name}`, figures: share.of(insert) },
      })),
    )
  },
}

/** One event at a time, from `offer` until the viewer has it. */
async function watchEach({ addSession, watch, log }: ServedStream): Promise<number[]> {
  const session = await addSession()
  const { socket } = await watch(session, { replay: 'false' })
  let heard = Promise.withResolvers<void>()
  await new Promise<void>((resolve) => socket.once('message', () => resolve()))
  socket.on('message', () => heard.resolve())
  const figures: number[] = []
  for (let n = 1; n <= samples; n++) {
    heard = Promise.withResolvers<void>()
    const start = performance.now()
    const offered = log.offer({ session, epoch: 0, from: n, events: [delta('a few words ')] })
    await heard.promise
    figures.push(performance.now() - start)
    await offered
  }
  socket.close()
  return figures
}

async function insertEach(pool: Pool): Promise<number[]> {
  const client = await pool.connect()
  const session = randomUUID()
  const figures: number[] = []
  const data = JSON.stringify(delta('a few words ').data)
  for (let seq = 1; seq <= samples; seq++) {
    const start = performance.now()
    await client.query({
      name: 'bare_one',
      text: `insert into event (session_id, seq, type, data) values ($1, $2, 'kilocode', $3)`,
      values: [session, seq, data],
    })
    figures.push(performance.now() - start)
  }
  client.release()
  return figures
}

/** Fifty agents, each with a frame of two deltas every 20 ms: 5,000 events a second. */
async function whileBusy<T>({ addSession, log }: ServedStream, measure: () => Promise<T>): Promise<T> {
  let busy = true
  const streaming = Array.from({ length: busySessions }, async (_, i) => {
    const session = await addSession()
    await delay((busyFrameMs / busySessions) * i)
    for (let from = 1; busy; from += 2) {
      await log.offer({ session, epoch: 0, from, events: [delta('a few words '), delta('and more ')] })
      await delay(busyFrameMs)
    }
  })
  const figures = await measure()
  busy = false
  await Promise.all(streaming)
  return figures
}
