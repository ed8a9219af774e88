/** For tests: links on a real socket over a real log, and a bare client that says whatever a broken supervisor might. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type EventsFrame,
  type ExecutionId,
  type Hello,
  linkProtocol,
  linkSubprotocol,
  MiB,
  newExecutionId,
  newSandboxId,
  type SandboxId,
  type SessionId,
} from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { expect, vi } from 'vitest'
import { WebSocket } from 'ws'
import { unsentCallbacks } from '../callbacks/testCallbacks.ts'
import { defaultTimers } from '../config.ts'
import { event, execution, sandbox, session, workspace } from '../database/schema.ts'
import { createBlobs } from '../files/blobs.ts'
import { createCheckpoints } from '../files/checkpoints.ts'
import { createCheckpointDoor } from '../files/door.ts'
import { quietLogger } from '../identity/testIdentity.ts'
import { createSink } from '../sessions/executions/sink.ts'
import { createLinks } from '../supervisors/links.ts'
import { addSession, openLog } from './log.ts'
import { testDatabase } from './postgres.ts'

export async function testLinks() {
  const { pool, [Symbol.asyncDispose]: drop } = await testDatabase()
  const { log, database } = await openLog(pool, {
    sink: createSink({ timers: defaultTimers, callbacks: unsentCallbacks, wake: () => {} }),
  })
  const folder = await mkdtemp(join(tmpdir(), 'corral-links-'))
  const kept = join(folder, 'checkpoints')
  await mkdir(kept)
  const blobs = createBlobs({ folder: kept, sessionBytes: 201 * MiB, spareBytes: 0 })
  const checkpoints = createCheckpoints({ database, blobs })
  const links = createLinks({
    database,
    offer: log.offer,
    changed: () => {},
    serve: createCheckpointDoor({ blobs, checkpoints }),
    logger: quietLogger,
  })
  const path = join(folder, 'server.sock')
  await links.listen(path)

  async function addTo(sandboxId: SandboxId): Promise<SessionId> {
    const own = await addSession(database)
    await database.orm.update(session).set({ sandboxId }).where(eq(session.id, own))
    await database.orm.insert(workspace).values({ sessionId: own })
    return own
  }

  return {
    database,
    links,
    checkpoints,
    path,
    /** The files of all checkpoints, as paths in their folder. */
    keptFiles: async () => (await readdir(kept, { recursive: true })).filter((name) => name.includes('/')),
    /** One more session in a sandbox. */
    addTo,
    /** A sandbox that starts, with sessions of its own. */
    async addSandbox(sessions = 1) {
      const id = newSandboxId()
      const token = randomBytes(16).toString('hex')
      const bootId = crypto.randomUUID()
      const linkTokenHash = createHash('sha256').update(token).digest()
      await database.orm
        .insert(sandbox)
        .values({ id, name: `corral__${id}`, state: 'starting', driver: 'bwrap', bootId, linkTokenHash })
      const ids: SessionId[] = []
      for (let i = 0; i < sessions; i++) ids.push(await addTo(id))
      const [first] = ids
      if (!first) throw new Error('a sandbox for tests has at least one session')
      return { id, token, bootId, session: first, sessions: ids }
    },
    async addRunning(sessionId: SessionId, attempt = 1) {
      const id = newExecutionId()
      await database.orm.insert(execution).values({
        id,
        sessionId,
        state: 'running',
        attempt,
        queuedSeq: 1,
        prompt: 'Mend it',
        request: { mode: 'build', model: 'scripted/demo', autoCommit: false, condenseOnComplete: false },
        messageId: 'msg_1',
        partId: 'prt_1',
        deliveredAt: new Date(),
      })
      return id
    },
    async executionOf(id: ExecutionId) {
      const [row] = await database.orm.select().from(execution).where(eq(execution.id, id))
      return row
    },
    stored: (sessionId: SessionId) =>
      database.orm.select().from(event).where(eq(event.sessionId, sessionId)).orderBy(event.seq),
    connect: (token: string) => connectSupervisor(path, token),
    async [Symbol.asyncDispose]() {
      await links.close()
      await log.close()
      await drop()
      await rm(folder, { recursive: true })
    },
  }
}

export async function connectSupervisor(path: string, token: string, protocol = linkSubprotocol) {
  const socket = new WebSocket(`ws+unix://${path}:/link`, [protocol], { headers: { authorization: `Bearer ${token}` } })
  const frames: { id?: unknown; method?: string; result?: unknown; params?: unknown }[] = []
  let closedWith: number | null = null
  socket.on('message', (data) => frames.push(JSON.parse(data.toString())))
  socket.on('close', (code) => {
    closedWith = code
  })
  socket.on('error', () => {})
  await once(socket, 'open')
  const send = (frame: object) => socket.send(JSON.stringify({ jsonrpc: '2.0', ...frame }))
  return {
    socket,
    frames,
    send,
    hello(fields: Pick<Hello, 'bootId'> & Partial<Hello>) {
      send({ id: 1, method: 'hello', params: { incarnation: 1, protocol: linkProtocol, sessions: [], ...fields } })
    },
    events(sessionId: SessionId, from: number, events: EventsFrame['events'], epoch = 2) {
      send({ method: 'events', params: { session: sessionId, epoch, from, events } })
    },
    /** To the next of these commands. */
    answer(method: string, result: object) {
      const seen = frames.length
      void vi
        .waitFor(() => frames.slice(seen).find((frame) => frame.method === method) ?? Promise.reject(), 5_000)
        .then(({ id }) => send({ id, result }))
    },
    async welcomed() {
      return vi.waitFor(() => {
        const answer = frames.find(({ id }) => id === 1)
        if (!answer) throw new Error(`no welcome; closed with ${closedWith}`)
        return answer.result
      }, 5_000)
    },
    acked: (sessionId: SessionId, n: number, epoch = 2) =>
      vi.waitFor(
        () =>
          expect(frames).toContainEqual({ jsonrpc: '2.0', method: 'ack', params: { session: sessionId, epoch, n } }),
        5_000,
      ),
    closed: (code: number) => vi.waitFor(() => expect(closedWith).toBe(code), 5_000),
    isOpen: () => closedWith === null,
  }
}

export const output = (content: string) => ({ type: 'output', data: { content, source: 'stdout' } })
