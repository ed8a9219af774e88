import { newExecutionId, newMessageId, newPartId, type SessionId } from '@corral/protocol'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { execution, workspace } from '../../database/schema.ts'
import { addSession, bareSink, type LogUnderTest, openLog } from '../../testing/log.ts'
import { type TestDatabase, testDatabase } from '../../testing/postgres.ts'
import { mayStartAgent, takeAgentStart } from './agentStarts.ts'

let stored: TestDatabase
let log: LogUnderTest['log']
let database: LogUnderTest['database']

beforeAll(async () => {
  stored = await testDatabase()
  ;({ log, database } = await openLog(stored.pool, { sink: bareSink }))
})
afterEach(async () => {
  await database.orm.delete(execution)
  await database.orm.delete(workspace)
})
afterAll(async () => {
  await log.close()
  await stored[Symbol.asyncDispose]()
})

const limits = { agentStartsAtOnce: 1, agentStartMs: 60_000, waits: true }
const may = () => mayStartAgent(database.orm, limits)

/** Of a session of its own, and running. */
async function delivered(more: Partial<typeof execution.$inferInsert>, orm = database.orm): Promise<void> {
  await orm.insert(execution).values({
    ...{ id: newExecutionId(), sessionId: await addSession(database), state: 'running', queuedSeq: 1, prompt: 'p' },
    ...{ messageId: newMessageId(), partId: newPartId(), deliveredAt: new Date(), startsAgent: true },
    request: { mode: 'build', model: 'scripted/demo', autoCommit: false, condenseOnComplete: false },
    ...more,
  })
}

test('another agent starts while none does', async () => {
  expect(await may()).toBe(true)
})

test('and waits for the one that starts', async () => {
  await delivered({})
  expect(await may()).toBe(false)
})

test('but not for one that has begun', async () => {
  await delivered({ startedAt: new Date() })
  expect(await may()).toBe(true)
})

test('nor for turns of agents that run, however many begin at every moment', async () => {
  await delivered({ startsAgent: false })
  await delivered({ startsAgent: false })
  expect(await may()).toBe(true)
})

test('nor for one that takes longer than a start and its retry may', async () => {
  await delivered({ deliveredAt: new Date(Date.now() - 121_000) })
  expect(await may()).toBe(true)
})

/** The workspace of a session of its own. */
async function space(more: Partial<typeof workspace.$inferInsert>) {
  const sessionId = await addSession(database)
  await database.orm.insert(workspace).values({ sessionId, ...more })
  return sessionId
}

test('one that warms up counts like any other, for as long', async () => {
  await space({ warmUp: 'running', warmingSince: new Date() })
  expect(await may()).toBe(false)
  await database.orm.update(workspace).set({ warmingSince: new Date(Date.now() - 121_000) })
  expect(await may()).toBe(true)
})

describe('what nobody waits for yet', () => {
  const mayWarm = () => mayStartAgent(database.orm, { ...limits, waits: false })
  const queued = (sessionId: SessionId) =>
    delivered({ sessionId, state: 'queued', deliveredAt: null, startsAgent: false })

  test('leaves room for a message that waits', async () => {
    expect(await mayWarm()).toBe(true)
    await queued(await space({}))
    expect([await mayWarm(), await may()]).toEqual([false, true])
  })

  test('and not for one whose agent runs, or that waits behind another', async () => {
    await queued(await space({ agentUntil: new Date() }))
    const busy = await space({})
    await delivered({ sessionId: busy, startsAgent: false })
    await delivered({ sessionId: busy, state: 'queued', queuedSeq: 2, deliveredAt: null, startsAgent: false })
    expect(await mayWarm()).toBe(true)
  })
})

test('of many that ask at once, one starts', async () => {
  const taken = await Promise.all(
    Array.from({ length: 6 }, () =>
      database.transaction(async (tx) => {
        const mine = await takeAgentStart(tx, limits)
        if (mine) await delivered({}, tx.orm)
        return mine
      }),
    ),
  )
  expect(taken.filter(Boolean)).toHaveLength(1)
})
