/** Whose sandbox a session gets, and what its neighbors are asked before something happens to all of it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newExecutionId, type SandboxId, type SessionId } from '@corral/protocol'
import { eq, inArray } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultTimers } from '../../config.ts'
import { event, execution, sandbox, session } from '../../database/schema.ts'
import { quietLogger } from '../../identity/testIdentity.ts'
import { bubblewrapDriver } from '../../sandboxes/bubblewrap.ts'
import { createFleet, type Fleet } from '../../sandboxes/fleet.ts'
import { createLinks } from '../../supervisors/links.ts'
import { addSession, type LogUnderTest, openLog } from '../../testing/log.ts'
import { type TestDatabase, testDatabase } from '../../testing/postgres.ts'
import { neighborsOf } from './neighbors.ts'
import { createSandboxOfSession } from './sandboxes.ts'

type Owner = { userId: string; organizationId?: string; botId?: string; isolation?: 'session' | 'shared' }

let stored: TestDatabase
let database: LogUnderTest['database']
let log: LogUnderTest['log']
let dataFolder: string
let fleet: Fleet
let sandboxOf: ReturnType<typeof createSandboxOfSession>

beforeAll(async () => {
  stored = await testDatabase()
  ;({ database, log } = await openLog(stored.pool))
  dataFolder = await mkdtemp(join(tmpdir(), 'corral-shared-'))
  sandboxOf = createSandboxOfSession({ database, log, fleet: () => fleet })
  fleet = createFleet({
    database,
    driver: bubblewrapDriver({ dataFolder }),
    links: createLinks({ database, offer: log.offer, changed: () => {}, logger: quietLogger }),
    ...{ workIn: sandboxOf.workIn, report: sandboxOf.report, wakeSessions: () => {}, watchingForMs: () => 0 },
    ...{ dataFolder, doorsFolder: dataFolder, supervisorBundle: '', nodeBinary: '' },
    ...{ agentsFolder: dataFolder, startsAtOnce: 1 },
    limits: { memoryBytes: 0, processes: 0, diskBytes: 0, cpus: null, cgroups: false },
    secret: 'secret',
    timers: { ...defaultTimers, reconcilerPollMs: 1_000_000 },
    logger: quietLogger,
  })
})
afterAll(async () => {
  await fleet.reconciler.close()
  await log.close()
  await stored[Symbol.asyncDispose]()
  await rm(dataFolder, { recursive: true, force: true })
})

async function addOwned({ isolation = 'shared', ...owner }: Owner): Promise<SessionId> {
  const id = await addSession(database)
  const { configuration } = await rowOf(id)
  await database.orm
    .update(session)
    .set({ ...owner, configuration: { ...configuration, isolation } })
    .where(eq(session.id, id))
  return id
}
async function rowOf(id: SessionId) {
  const [row] = await database.orm.select().from(session).where(eq(session.id, id))
  return row ?? expect.fail('no session')
}
async function take(owner: Owner | SessionId): Promise<{ session: SessionId; sandbox: SandboxId }> {
  const id = typeof owner === 'string' ? owner : await addOwned(owner)
  const row = await rowOf(id)
  const sandboxId = await database.transaction(async (tx) => {
    const taken = await sandboxOf.takeSandbox(tx, row)
    await tx.orm.update(session).set({ sandboxId: taken }).where(eq(session.id, id))
    return taken
  })
  return { session: id, sandbox: sandboxId }
}
async function addExecution(sessionId: SessionId, state: 'queued' | 'running' | 'completed', more: object = {}) {
  const id = newExecutionId()
  const request = { mode: 'build', model: 'scripted/demo', autoCommit: false, condenseOnComplete: false }
  const ids = { id, sessionId, state, queuedSeq: 1, prompt: 'x', request, messageId: 'msg_1', partId: 'prt_1' }
  await database.orm.insert(execution).values({ ...ids, ...more })
  return id
}
const over = () => ({ endedAt: new Date(), stoppedAt: new Date(), deliveredAt: new Date() })

describe('the sandbox of a session', () => {
  test('is its own, unless it is asked to be shared', async () => {
    const own = await Promise.all([1, 2].map(() => take({ userId: 'ada', isolation: 'session' })))
    const shared = await Promise.all([1, 2, 3].map(() => take({ userId: 'ada' })))
    expect(new Set(own.map((one) => one.sandbox)).size).toBe(2)
    expect(new Set(shared.map((one) => one.sandbox)).size).toBe(1)
    expect(own.map((one) => one.sandbox)).not.toContain(shared[0]?.sandbox)
  })

  test('is shared with nobody else: not with another user, organization or bot', async () => {
    const owners: Owner[] = [
      { userId: 'ben' },
      { userId: 'cy' },
      { userId: 'ben', organizationId: 'acme' },
      { userId: 'cy', organizationId: 'acme' },
      { userId: 'ben', organizationId: 'other' },
      { userId: 'ben', organizationId: 'acme', botId: 'reviewer' },
      { userId: 'ben', botId: 'reviewer' },
      // Whose names read like those of others.
      { userId: 'ben', organizationId: 'user:ben' },
      { userId: 'ben__bot:reviewer', organizationId: 'acme' },
      { userId: 'ben', organizationId: 'acme__ben' },
      { userId: 'ben__ben', organizationId: 'acme' },
    ]
    const first = await Promise.all(owners.map(take))
    const again = await Promise.all(owners.map(take))
    expect(new Set(first.map((one) => one.sandbox)).size).toBe(owners.length)
    expect(again.map((one) => one.sandbox)).toEqual(first.map((one) => one.sandbox))
  })

  test('has a host user that no other has, however many begin at once', async () => {
    const taken = await Promise.all(Array.from({ length: 8 }, (_, i) => take({ userId: `dee-${i}` })))
    const ids = taken.map((one) => one.sandbox)
    const rows = await database.orm.select().from(sandbox).where(inArray(sandbox.id, ids))
    const users = rows.flatMap(({ hostUser }) => hostUser ?? [])
    expect(new Set(users).size).toBe(users.length)
  })
})

test('neighbors are the living sessions of the same sandbox, and busy while anything of theirs may run', async () => {
  const owner = { userId: 'eve' }
  const one = await take(owner)
  const neighbors = async () => neighborsOf(database.orm, await rowOf(one.session))
  expect(await neighbors()).toBe('none')
  await addExecution(one.session, 'running')
  expect(await neighbors(), 'one is no neighbor of its own').toBe('none')

  const two = await take(owner)
  expect(await neighbors()).toBe('idle')
  await addExecution(two.session, 'completed', over())
  expect(await neighbors()).toBe('idle')
  for (const [state, more] of [
    ['queued', {}],
    ['running', { deliveredAt: new Date() }],
    ['completed', { ...over(), stoppedAt: null }],
    ['completed', { ...over(), finalization: 'pending' }],
  ] as const) {
    const id = await addExecution(two.session, state, { ...more, queuedSeq: 2 })
    expect(await neighbors(), `${state} ${JSON.stringify(more)}`).toBe('busy')
    await database.orm.delete(execution).where(eq(execution.id, id))
  }
  await database.orm.update(session).set({ state: 'deleted' }).where(eq(session.id, two.session))
  expect(await neighbors()).toBe('none')
})

test('a sandbox is idle when the last of its sessions is, and its start is told to those who wait for it', async () => {
  const owner = { userId: 'fay' }
  const [waiting, idle, prepared, deleted] = await Promise.all([1, 2, 3, 4].map(() => take(owner)))
  if (!waiting || !idle || !prepared || !deleted) throw new Error('no sessions')
  await addExecution(waiting.session, 'queued')
  await addExecution(idle.session, 'completed', over())
  await database.orm.update(session).set({ state: 'prepared' }).where(eq(session.id, prepared.session))
  await addExecution(deleted.session, 'queued')
  await database.orm.update(session).set({ state: 'deleted' }).where(eq(session.id, deleted.session))

  await sandboxOf.report(waiting.sandbox, { message: 'Starting' }, 'step:1')
  const all = [waiting, idle, prepared, deleted].map((one) => one.session)
  const told = await database.orm.select().from(event).where(inArray(event.sessionId, all))
  expect(new Set(told.map(({ sessionId }) => sessionId))).toEqual(new Set([waiting.session, prepared.session]))

  expect(await sandboxOf.workIn(waiting.sandbox)).toMatchObject({ busy: true, idleSince: expect.any(Date) })
  await database.orm
    .update(execution)
    .set({ state: 'completed', ...over() })
    .where(eq(execution.sessionId, waiting.session))
  expect(await sandboxOf.workIn(waiting.sandbox)).toMatchObject({ busy: false })
})
