/**
 * What one user's calls cost beside the history of all others: a message, a look at a session, and the connection of a
 * viewer, on a database that grows up to ten million events in a hundred thousand sessions. Beside it the same calls,
 * by turns, on a database that has nothing but these sessions of theirs.
 */
import type { SessionId } from '@corral/protocol'
import type { Pool } from 'pg'
import { type ServedStream, serveStream } from '../packages/server/src/faces/cloud-agent/testStream.ts'
import { addUser, identityOn } from '../packages/server/src/identity/testIdentity.ts'
import { openLog } from '../packages/server/src/testing/log.ts'
import { type Bench, type Benchmark, byTurns, percentile, type Row } from './benchmark.ts'
import { fillDatabase } from './fillDatabase.ts'

/** Of others, in all. */
const sizes = [1_000, 10_000, 100_000]
const eventsEach = 100
/** Of the caller, on either database. */
const own = 400
const times = { send: 60, get: 300, connect: 100 }

const calls = {
  'sendMessage, p99': sendMessages,
  'getSession, p99': getSessions,
  'stream connect, p99': connectViewers,
} as const satisfies Record<string, (place: Place) => Promise<number[]>>
const names = Object.keys(calls) as (keyof typeof calls)[]

export const crowdedDatabase: Benchmark = {
  name: 'crowded-database',
  async run(bench) {
    await using empty = await openPlace(bench)
    await using crowded = await openPlace(bench)
    const rows: Row[] = []
    let others = 0
    for (const size of sizes) {
      await fillDatabase(crowded.pool, {
        template: crowded.template,
        userId: 'somebody-else',
        sessions: size - others,
        eventsEach,
      })
      others = size
      rows.push(...(await compare(empty, crowded, size)))
    }
    await crowded.pool.query('truncate event')
    return rows
  },
}

async function compare(empty: Place, crowded: Place, others: number): Promise<Row[]> {
  const measured = names.flatMap((name) => [
    [`${name} empty`, async () => percentile(await calls[name](empty), 0.99)] as const,
    [`${name} crowded`, async () => percentile(await calls[name](crowded), 0.99)] as const,
  ])
  const figures = await byTurns(Object.fromEntries(measured))
  const events = (others * eventsEach).toLocaleString('en-US')
  return names.map((name) => ({
    what: `${name}, beside ${events} events in ${others.toLocaleString('en-US')} sessions`,
    unit: 'ms',
    figures: figures[`${name} crowded`] ?? [],
    reference: { what: 'the same on an empty database', figures: figures[`${name} empty`] ?? [] },
    ...(others === sizes.at(-1) && { target: { of: 'ratio', atMost: 1.3 } }),
    point: { picture: 'cost-against-history', series: name, x: others * eventsEach },
  }))
}

type Place = AsyncDisposable & { pool: Pool; face: ServedStream; template: SessionId; own: SessionId[] }

/** A database with nothing but some sessions of one user. */
async function openPlace({ openDatabase }: Bench): Promise<Place> {
  const { pool } = await openDatabase()
  const { database } = await openLog(pool)
  await addUser(pool, 'user-1')
  const face = await serveStream({ database, identity: identityOn(database), userId: 'user-1' })
  const template = await face.addSession()
  const mine = await fillDatabase(pool, { template, userId: 'user-1', sessions: own, eventsEach })
  return { pool, face, template, own: mine, [Symbol.asyncDispose]: () => face[Symbol.asyncDispose]() }
}

async function sendMessages({ face, own }: Place): Promise<number[]> {
  // Ten at most may wait in one session, and nothing takes them from the queue here.
  return timed(take(own, times.send), (session) => face.sessions.send(face.caller, session, { prompt: 'And then?' }))
}

async function getSessions({ face, own }: Place): Promise<number[]> {
  return timed(some(own, times.get), (sessionId) => face.sessions.get(face.caller, { sessionId }))
}

/** From the dial until the viewer is told that it is connected. */
async function connectViewers({ face, own }: Place): Promise<number[]> {
  const figures: number[] = []
  for (const session of some(own, times.connect)) {
    const query = { cloudAgentSessionId: session, replay: 'false', ticket: await face.ticket(session) }
    const start = performance.now()
    const watching = await face.dial(query)
    if ('status' in watching) throw new Error(`refused: ${JSON.stringify(watching)}`)
    if (watching.frames.length === 0) await new Promise((resolve) => watching.socket.once('message', resolve))
    figures.push(performance.now() - start)
    watching.socket.close()
    await watching.closed
  }
  return figures
}

async function timed(sessions: SessionId[], call: (session: SessionId) => Promise<unknown>): Promise<number[]> {
  const figures: number[] = []
  for (const session of sessions) {
    const start = performance.now()
    await call(session)
    figures.push(performance.now() - start)
  }
  return figures
}

/** The next ones, round and round. */
function take(sessions: SessionId[], count: number): SessionId[] {
  const taken = sessions.splice(0, count)
  sessions.push(...taken)
  return taken
}

const some = (sessions: readonly SessionId[], count: number): SessionId[] =>
  Array.from({ length: count }, () => sessions[Math.floor(Math.random() * sessions.length)] ?? fail())

function fail(): never {
  throw new Error('There is no session.')
}
