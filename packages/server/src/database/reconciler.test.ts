import type { SessionId } from '@corral/protocol'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addSession, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { type Claim, createReconciler, freeClaims, holdClaim } from './reconciler.ts'
import { sessionUuid } from './sessionUuid.ts'
import type { Database } from './transaction.ts'
import { wakeSessions } from './wake.ts'

const timers = { claimMs: 60_000, reconcilerPollMs: 60_000 }
const logger = pino({ level: 'silent' })
const longAgo = new Date(0)

let stored: TestDatabase
let database: Database

beforeAll(async () => {
  stored = await testDatabase()
  database = (await openLog(stored.pool)).database
})
afterAll(() => stored[Symbol.asyncDispose]())

/** One life of a server, which takes what is due now; `step` is told what it has claimed. */
function reconcile(step: (claim: Claim) => Promise<'again' | { until: Date | null }>) {
  const reconciler = createReconciler({ database, table: 'session', step, timers, logger })
  reconciler.poke()
  return { [Symbol.asyncDispose]: () => reconciler.close() }
}

const rowOf = async (session: SessionId) => {
  const { rows } = await stored.pool.query('select * from session where id = $1', [sessionUuid(session)])
  return rows[0]
}

test('what a server had claimed when it died is looked at by the next one at once', async () => {
  const session = await addSession(database)
  await database.transaction((tx) => wakeSessions(tx, [session]))
  const claimed = Promise.withResolvers<Claim>()
  const dead = Promise.withResolvers<never>()
  const first = reconcile((claim) => {
    claimed.resolve(claim)
    return dead.promise
  })
  const old = await claimed.promise

  await freeClaims(database)
  const again = Promise.withResolvers<Claim>()
  await using _next = reconcile(async (claim) => {
    again.resolve(claim)
    return { until: null }
  })
  expect(await again.promise).toMatchObject({ key: sessionUuid(session) })
  await expect(database.transaction((tx) => holdClaim(tx, 'session', old))).rejects.toThrow('no longer ours')

  dead.reject(new Error('the end of the test'))
  await first[Symbol.asyncDispose]()
})

test('a wake that comes while a row is worked on has it looked at again', async () => {
  const session = await addSession(database)
  await database.transaction((tx) => wakeSessions(tx, [session]))
  let looks = 0
  const second = Promise.withResolvers<void>()
  await using _reconciler = reconcile(async (claim) => {
    looks++
    if (looks === 2) second.resolve()
    claim.wakeNo = (await rowOf(session)).wake_no
    if (looks === 1) await database.transaction((tx) => wakeSessions(tx, [session]))
    return { until: null }
  })
  await second.promise
})

test('a step that fails is put off, not forgotten', async () => {
  const session = await addSession(database)
  await database.transaction((tx) => wakeSessions(tx, [session]))
  const failed = Promise.withResolvers<void>()
  const reconciler = reconcile(async () => {
    failed.resolve()
    throw new Error('it rains')
  })
  await failed.promise
  await reconciler[Symbol.asyncDispose]()
  const row = await rowOf(session)
  expect(row.claim_until).toBeNull()
  expect(row.wake_at.getTime()).toBeGreaterThan(longAgo.getTime())
})
