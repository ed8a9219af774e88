import { newExecutionId, newMessageId, newPartId } from '@corral/protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { execution } from '../database/schema.ts'
import { addSession, bareSink, type LogUnderTest, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
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
})
afterAll(async () => {
  await log.close()
  await stored[Symbol.asyncDispose]()
})

const limits = { agentStartsAtOnce: 1, agentStartMs: 60_000 }
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
