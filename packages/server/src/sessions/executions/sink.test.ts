/** What a supervisor says of the end of an execution, through the log's own door. */
import { randomUUID } from 'node:crypto'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unsentCallbacks } from '../../callbacks/testCallbacks.ts'
import { defaultTimers } from '../../config.ts'
import { modelCall } from '../../database/gatewayTables.ts'
import { event, execution, session, workspace } from '../../database/schema.ts'
import { addSession, delta, type LogUnderTest, openLog } from '../../testing/log.ts'
import { type TestDatabase, testDatabase } from '../../testing/postgres.ts'
import { addRunningExecution } from '../../testing/runningExecution.ts'
import { createSink } from './sink.ts'

let stored: TestDatabase
let log: LogUnderTest['log']
let database: LogUnderTest['database']

beforeAll(async () => {
  stored = await testDatabase()
  ;({ log, database } = await openLog(stored.pool, {
    sink: createSink({ timers: defaultTimers, callbacks: unsentCallbacks, wake: () => {} }),
  }))
})
afterAll(async () => {
  await log.close()
  await stored[Symbol.asyncDispose]()
})

/** A session whose only execution was handed to a supervisor a minute ago. */
async function running() {
  const { sessionId: session, id } = await addRunningExecution(database, () => ({
    sentLink: 'link-1',
    deliveredAt: new Date(Date.now() - 60_000),
  }))
  let n = 0
  const offer = (event: { type: 'outcome' | 'stopped' | 'warmed'; executionId?: ExecutionId; data: object }) =>
    log.offer({ session, epoch: 1, from: ++n, events: [event] })
  return {
    session,
    id,
    offer,
    async space() {
      const [row] = await database.orm.select().from(workspace).where(eq(workspace.sessionId, session))
      return row
    },
    /** Its agent died before it had begun, as far as the supervisor knows. */
    async died(attempt: number) {
      const data = { executionId: id, attempt, result: 'failed', reason: 'agent_restarted', begun: false }
      await offer({ type: 'outcome', executionId: id, data })
    },
    async row() {
      const [row] = await database.orm.select().from(execution).where(eq(execution.id, id))
      return row
    },
    async endings() {
      const rows = await database.orm.select().from(event).where(eq(event.executionId, id))
      return rows.filter(({ ends }) => ends).map(({ type }) => type)
    },
  }
}

const addModelCall = (sessionId: SessionId, executionId: ExecutionId | null, startedAt: Date) =>
  database.orm.insert(modelCall).values({
    id: randomUUID(),
    sessionId,
    executionId,
    userId: 'user-1',
    upstream: 'scripted',
    model: 'demo',
    startedAt,
  })

test('what the agent had not begun is given to it once more, and not a third time', async () => {
  const given = await running()
  await given.died(1)
  expect(await given.row()).toMatchObject({ state: 'running', attempt: 2, sentLink: null })
  expect(await given.endings()).toEqual([])

  await given.died(2)
  expect(await given.row()).toMatchObject({ state: 'failed', reason: 'agent_restarted', attempt: 2 })
  expect(await given.endings()).toEqual(['error'])
})

test('an outcome of an earlier attempt, or after the end, changes nothing', async () => {
  const given = await running()
  await given.died(1)
  await given.died(1)
  expect(await given.row()).toMatchObject({ state: 'running', attempt: 2 })
  await given.died(2)
  await given.died(2)
  expect(await given.endings()).toEqual(['error'])
})

test.each([true, false])('what ends says whether its agent is there for the next message: %s', async (agentRuns) => {
  const until = agentRuns ? expect.any(Date) : null
  const completed = await running()
  const end = { executionId: completed.id, attempt: 1, result: 'completed', begun: true, agentRuns }
  await completed.offer({ type: 'outcome', executionId: completed.id, data: end })
  expect(await completed.space()).toMatchObject({ agentUntil: until })

  const halted = await running()
  const ended = { state: 'interrupted', endedAt: new Date() } as const
  await database.orm.update(execution).set(ended).where(eq(execution.id, halted.id))
  const stop = { executionId: halted.id, attempt: 1, agentRuns }
  await halted.offer({ type: 'stopped', executionId: halted.id, data: stop })
  expect(await halted.row()).toMatchObject({ stoppedAt: expect.any(Date) })
  expect(await halted.space()).toMatchObject({ agentUntil: until })

  const warm = await running()
  await database.orm.update(workspace).set({ warmUp: 'running' }).where(eq(workspace.sessionId, warm.session))
  await warm.offer({ type: 'warmed', data: { agentRuns } })
  expect(await warm.space()).toMatchObject({ warmUp: 'over', agentUntil: until })
})

test('a warm-up of an earlier configuration ends nothing', async () => {
  const given = await running()
  await database.orm.update(workspace).set({ warmUp: 'due' }).where(eq(workspace.sessionId, given.session))
  await given.offer({ type: 'warmed', data: { agentRuns: true } })
  expect(await given.space()).toMatchObject({ warmUp: 'due', agentUntil: null })
})

test('a call of the model says that it had begun', async () => {
  const given = await running()
  await addModelCall(given.session, given.id, new Date())
  await given.died(1)
  expect(await given.row()).toMatchObject({ state: 'failed', reason: 'agent_restarted' })
})

test('a call of which nobody knows whose it was counts for what was running then', async () => {
  const given = await running()
  await addModelCall(given.session, null, new Date(Date.now() - 120_000))
  await given.died(1)
  expect(await given.row(), 'that one was before').toMatchObject({ state: 'running', attempt: 2 })

  const other = await running()
  await addModelCall(other.session, null, new Date())
  await other.died(1)
  expect(await other.row()).toMatchObject({ state: 'failed', reason: 'agent_restarted' })
})

test("a delta that comes after the compaction has its own session's execution compacted again, and no other's", async () => {
  const given = await running()
  const compactedAt = new Date(Date.now() - 30_000)
  const ended = { state: 'completed', endedAt: compactedAt, stoppedAt: compactedAt, compactedAt } as const
  await database.orm.update(execution).set(ended).where(eq(execution.id, given.id))

  const stranger = await addSession(database)
  const late = { ...delta('late'), executionId: given.id }
  await log.offer({ session: stranger, epoch: 1, from: 1, events: [late] })
  expect(await given.row()).toMatchObject({ compactedAt })

  await log.offer({ session: given.session, epoch: 1, from: 1, events: [late] })
  expect(await given.row()).toMatchObject({ compactedAt: null })
  const [owner] = await database.orm.select().from(session).where(eq(session.id, given.session))
  expect(owner?.wakeAt).not.toBeNull()
})
