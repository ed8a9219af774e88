/** Callbacks from the end of an execution to its receiver, over real sessions, a real log and a real network. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type CallbackView, type ExecutionId, newExecutionId, type SessionId } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { defaultTimers } from '../config.ts'
import { callback } from '../database/callbackTables.ts'
import { execution } from '../database/schema.ts'
import type { Database } from '../database/transaction.ts'
import type { Caller } from '../identity/caller.ts'
import type { Log } from '../log/log.ts'
import type { Resolve } from '../outbound/agent.ts'
import { createOutboundPolicy } from '../outbound/policy.ts'
import { createSealing } from '../secrets/sealing.ts'
import { reportOf } from '../sessions/executions/executionReads.ts'
import { createSink } from '../sessions/executions/sink.ts'
import { selfSigned } from '../testing/certificate.ts'
import { openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { type RunningExecution, runningExecution } from '../testing/runningExecution.ts'
import { type Callbacks, createCallbacks } from './callbacks.ts'
import { type Receiver, testReceiver, verified } from './testReceiver.ts'

const retryMs = 40
const timers = {
  ...defaultTimers,
  callbackAttemptMs: 2_000,
  callbackRetryMs: retryMs,
  reconcilerPollMs: 20,
  finalizationMs: 4_000,
}
const ownSealing = createSealing({ key: randomBytes(32) })
const logged: string[] = []
const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })

let stored: TestDatabase
let database: Database
let log: Log
let callbacks: Callbacks
let receiver: Receiver
let resolve: Resolve = async () => [{ address: '127.0.0.1', family: 4 }]

function open(allowPrivateHosts: string[], sealing = ownSealing): Callbacks {
  const outbound = createOutboundPolicy({ allowPrivateHosts })
  const deps = { database, sealing, outbound, timers, logger, version: '0.0.0', report: reportOf }
  return createCallbacks({ ...deps, resolve: (name) => resolve(name) })
}

beforeAll(async () => {
  stored = await testDatabase()
  receiver = await testReceiver()
  const owe: Callbacks['owe'] = {
    ended: (tx, ids) => callbacks.owe.ended(tx, ids),
    finalized: (tx, id) => callbacks.owe.finalized(tx, id),
  }
  ;({ log, database } = await openLog(stored.pool, { sink: createSink({ timers, callbacks: owe, wake: () => {} }) }))
  callbacks = open([receiver.host])
})
afterEach(() => {
  receiver.answer(200)
  receiver.received.length = 0
})
afterAll(async () => {
  await callbacks?.close()
  await log?.close()
  await receiver?.[Symbol.asyncDispose]()
  await stored[Symbol.asyncDispose]()
})

type Told = RunningExecution

/** An execution that runs, and is to be told of at `url`. */
const running = (options: { url?: string; headers?: Record<string, string>; autoCommit?: boolean } = {}) =>
  runningExecution(
    { database, log, targets: callbacks.targets },
    { url: `${receiver.url}/hooks/secret-path?token=secret-query`, ...options },
  )

const onlyCallback = async ({ sessionId }: { sessionId: SessionId }): Promise<CallbackView> => {
  const { callbacks: found } = await callbacks.list(sessionId, { limit: 10 })
  expect(found).toHaveLength(1)
  return found[0] ?? expect.fail('no callback')
}

const settled = (told: Told, state: CallbackView['state']) =>
  vi.waitFor(
    async () => {
      const view = await onlyCallback(told)
      expect(view.state).toBe(state)
      return view
    },
    { timeout: 20_000, interval: 20 },
  )

const userCalled = (userId: string): Caller => ({ userId, botId: null, internal: false })
const secretsOf = async () => (await callbacks.keys.active('user:user-1')).map(({ secret }) => secret)

describe('a callback', () => {
  test('tells how an execution has ended, signed, with the last words of the same batch', async () => {
    const told = await running({ headers: { authorization: 'Bearer of-the-receiver', 'user-agent': 'theirs' } })
    await told.end('It is mended.')
    expect(await settled(told, 'delivered')).toMatchObject({
      executionId: told.id,
      attempts: [{ status: 200, at: expect.any(Number) }],
    })
    const [request] = receiver.received
    const [secret = ''] = await secretsOf()
    expect(verified(request ?? expect.fail(), secret)).toEqual({
      sessionId: told.sessionId,
      cloudAgentSessionId: told.sessionId,
      kiloSessionId: told.agentSessionId,
      executionId: told.id,
      idempotencyKey: told.id,
      status: 'completed',
      lastSeenBranch: `session/${told.sessionId}`,
      lastAssistantMessageText: 'It is mended.',
      completedAt: expect.any(Number),
    })
    expect(request?.path).toBe('/hooks/secret-path?token=secret-query')
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer of-the-receiver',
      'user-agent': 'theirs',
      'content-type': 'application/json',
      'webhook-id': told.id,
      'x-corral-attempt': '1',
      'x-corral-key-id': expect.stringMatching(/^key_/),
    })
  })

  test('tells of a failure and its reason', async () => {
    const told = await running()
    await told.end('Hm.', { result: 'failed', reason: 'model_error', message: 'The model said no.' })
    await settled(told, 'delivered')
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      status: 'failed',
      reason: 'model_error',
      errorMessage: 'The model said no.',
      retryable: true,
      lastAssistantMessageText: 'Hm.',
    })
  })

  test('cuts a long text, and says how long it was', async () => {
    const told = await running()
    await told.end(`${'x'.repeat(99_999)}🐎 and more`)
    await settled(told, 'delivered')
    const body = JSON.parse(receiver.received[0]?.body ?? '')
    expect(body.lastAssistantMessageText).toBe(`${'x'.repeat(99_999)}\uFFFD`)
    expect(body.lastAssistantMessageTextTruncation).toEqual({ originalCharacters: 100_010 })
  })

  test('waits for the end of finalization, and tells of it', async () => {
    const told = await running({ autoCommit: true })
    await told.end('Done.')
    expect(await onlyCallback(told)).toMatchObject({ state: 'waiting', attempts: [] })
    await told.say({ type: 'finalization', data: { kind: 'commit', success: true, commitHash: 'abc123' } })
    expect(await onlyCallback(told)).toMatchObject({ state: 'waiting' })
    await told.say(
      { type: 'finalization', data: { kind: 'push', success: true, pushStatus: 'pushed' } },
      { type: 'finalization', data: { kind: 'pull_request', success: true, url: 'https://git.example/pull/7' } },
      { type: 'finalized', data: { executionId: told.id } },
    )
    await settled(told, 'delivered')
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      commitHash: 'abc123',
      pushStatus: 'pushed',
      pullRequestUrl: 'https://git.example/pull/7',
    })
  })

  test('waits for a finalization no longer than it may take', async () => {
    const told = await running({ autoCommit: true })
    await told.end('Done.')
    const endedAt = Date.now()
    await settled(told, 'delivered')
    expect(Date.now() - endedAt).toBeGreaterThan(timers.finalizationMs * 0.9)
  })

  test('comes for no execution without a target, and once for one whose end is said twice', async () => {
    const silent = await running()
    await database.orm.update(execution).set({ callbackTarget: null }).where(eq(execution.id, silent.id))
    await silent.end('Done.')
    const told = await running()
    await told.end('Done.')
    await told.end('Done.')
    await database.transaction((tx) => callbacks.owe.ended(tx, [told.id, silent.id]))
    await settled(told, 'delivered')
    expect((await callbacks.list(silent.sessionId, { limit: 10 })).callbacks).toEqual([])
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([told.id])
  })
})

describe('a receiver that', () => {
  const attemptsOf = (view: CallbackView) => view.attempts.map(({ status, error }) => status ?? error)

  /** Every delivery was the same in all that does not have to differ. */
  function expectSame(id: ExecutionId): void {
    const [first] = receiver.received
    for (const { body, headers } of receiver.received) {
      expect(body).toBe(first?.body)
      expect(headers['webhook-id']).toBe(id)
    }
    expect(receiver.received.map(({ headers }) => headers['x-corral-attempt'])).toEqual(
      receiver.received.map((_, index) => String(index + 1)),
    )
  }

  test('fails four times gets it at the fifth, each wait twice the one before', async () => {
    const told = await running()
    receiver.answer(500, 503, 429, 'reset', 200)
    await told.end('Done.')
    expect(attemptsOf(await settled(told, 'delivered'))).toEqual([500, 503, 429, 'connection_reset', 200])
    expectSame(told.id)
    const waits = receiver.received.slice(1).map(({ at }, index) => at - (receiver.received[index]?.at ?? 0))
    for (const [index, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(retryMs * 2 ** index - 5)
  })

  test('fails always is given up after five attempts, and gets the same again when its owner asks', async () => {
    const told = await running()
    receiver.answer(500)
    await told.end('Done.')
    const dead = await settled(told, 'dead')
    expect(attemptsOf(dead)).toEqual([500, 500, 500, 500, 500])

    receiver.answer(500, 204)
    expect(await callbacks.redeliver(told.sessionId, dead.deliveryId)).toMatchObject({ state: 'pending' })
    await callbacks.redeliver(told.sessionId, dead.deliveryId)
    expect(attemptsOf(await settled(told, 'delivered'))).toEqual([500, 500, 500, 500, 500, 500, 204])
    expectSame(told.id)
  })

  test('hangs is left after the time of an attempt', async () => {
    const told = await running()
    receiver.answer('hang', 200)
    await told.end('Done.')
    expect(attemptsOf(await settled(told, 'delivered'))).toEqual(['timeout', 200])
    const [first, second] = receiver.received
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(timers.callbackAttemptMs)
  })

  test('dies in the middle of its answer has said enough with its status', async () => {
    const told = await running()
    receiver.answer('half')
    await told.end('Done.')
    expect(attemptsOf(await settled(told, 'delivered'))).toEqual([200])
  })

  test.each([404, 410, 400, 304])('answers %d is not asked again', async (status) => {
    const told = await running()
    receiver.answer(status)
    await told.end('Done.')
    expect(attemptsOf(await settled(told, 'dead'))).toEqual([status])
    expect(receiver.received).toHaveLength(1)
  })

  test('redirects to a private address is not followed', async () => {
    await using inside = await testReceiver()
    const told = await running()
    receiver.answer({ location: `${inside.url}/` })
    await told.end('Done.')
    expect(attemptsOf(await settled(told, 'dead'))).toEqual([302])
    expect(inside.connections()).toBe(0)
  })

  test('listens nowhere is tried again', async () => {
    const gone = await testReceiver()
    await gone[Symbol.asyncDispose]()
    await callbacks.close()
    callbacks = open([receiver.host, gone.host])
    const told = await running({ url: gone.url })
    await told.end('Done.')
    expect(attemptsOf(await settled(told, 'dead'))).toEqual(Array(5).fill('connection_refused'))
  })
})

test('a receiver whose certificate nobody vouches for gets nothing', async () => {
  const requests: string[] = []
  const server = createSecureServer(selfSigned('localhost'), (request, response) => {
    requests.push(request.url ?? '')
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  await callbacks.close()
  callbacks = open([host])
  const told = await running({ url: `https://${host}/` })
  await told.end('Done.')
  const { attempts } = await settled(told, 'dead')
  expect([attempts.map(({ error }) => error), requests]).toEqual([Array(5).fill('tls_failed'), []])
  server.close()
  await callbacks.close()
  callbacks = open([receiver.host])
})

describe('a target that the policy forbids', () => {
  test.each([
    'https://169.254.169.254/',
    'https://[::1]/',
    'https://127.0.0.1/',
    'https://10.0.0.1/',
    'http://1.1.1.1/',
  ])('%s is refused at admission', (url) => {
    expect(() => callbacks.targets.admit({ url })).toThrow(expect.objectContaining({ reason: 'target_refused' }))
  })

  test('carries no user', () => {
    expect(() => callbacks.targets.admit({ url: 'https://me:secret@example.com/' })).toThrow(
      expect.objectContaining({ reason: 'invalid_input' }),
    )
  })

  test('is never connected to, also when its name leads there only later', async () => {
    await callbacks.close()
    callbacks = open(['127.0.0.1/32'])
    const url = `http://hooks.example:${receiver.host.split(':')[1]}/`
    callbacks.targets.admit({ url })
    let lookups = 0
    resolve = async () => [{ address: lookups++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
    const told = await running({ url })
    receiver.answer(500)
    await told.end('Done.')
    const { attempts } = await settled(told, 'dead')
    expect(attempts.map(({ status, error }) => status ?? error)).toEqual([500, 'target_refused'])
    expect([lookups, receiver.received.length]).toEqual([2, 1])
    await callbacks.close()
    callbacks = open([receiver.host])
  })
})

describe('what is owed', () => {
  test('outlives the rows of its session, with its body fixed before they go', async () => {
    const told = await running({ autoCommit: true })
    await told.end('The last words.')
    await callbacks.fixBodies(told.sessionId)
    await database.orm.delete(execution).where(eq(execution.sessionId, told.sessionId))
    callbacks.poke()
    await settled(told, 'delivered')
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ lastAssistantMessageText: 'The last words.' })
  })

  test('is sent by the next server when one stops in the middle of an attempt', async () => {
    const told = await running()
    receiver.answer('hang', 200)
    await told.end('Done.')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), { timeout: 5_000, interval: 10 })
    await callbacks.close()
    expect(await onlyCallback(told)).toMatchObject({ state: 'pending', attempts: [] })
    callbacks = open([receiver.host])
    await settled(told, 'delivered')
    expect(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body])).toEqual(
      Array(2).fill([told.id, receiver.received[0]?.body]),
    )
  })

  test('is forgotten after its time', async () => {
    const told = await running()
    await told.end('Done.')
    await settled(told, 'delivered')
    await database.orm
      .update(callback)
      .set({
        attemptedAt: new Date(Date.now() - timers.callbackKeepMs),
        wakeAt: new Date(),
        wakeNo: sql`${callback.wakeNo} + 1`,
      })
      .where(eq(callback.executionId, told.id))
    callbacks.poke()
    await vi.waitFor(async () => expect((await callbacks.list(told.sessionId, { limit: 1 })).callbacks).toEqual([]))
  })

  test('shows no path, query or header in the log, and nothing of them in the database', async () => {
    const told = await running({ headers: { authorization: 'secret-header' } })
    await told.end('Done.')
    await settled(told, 'delivered')
    const about = logged.join('')
    expect(about).toContain(`"origin":"${receiver.url}"`)
    const { rows } = await stored.pool.query(
      'select c::text as row from callback c union all select e::text from execution e',
    )
    const tables = rows.map(({ row }) => row).join('')
    for (const text of [about, tables]) expect(text).not.toMatch(/secret-(path|query|header)/)
  })
})

describe('keys', () => {
  test('that are replaced sign on, and a receiver verifies with either', async () => {
    const [before = ''] = await secretsOf()
    const rotated = await callbacks.keys.rotate(userCalled('user-1'), undefined)
    expect(rotated.map(({ secret }) => secret)).toEqual([expect.stringMatching(/^whsec_/), before])
    expect(rotated[1]?.expiresAt).toBeGreaterThan(Date.now() + 23 * 60 * 60_000)
    const told = await running()
    await told.end('Done.')
    await settled(told, 'delivered')
    const request = receiver.received[0] ?? expect.fail('nothing came')
    for (const { secret } of rotated) expect(verified(request, secret).idempotencyKey).toBe(told.id)
    expect(request.headers['x-corral-key-id']).toBe(rotated.map(({ keyId }) => keyId).join(' '))
    const [stranger] = await callbacks.keys.active('user:somebody-else')
    expect(() => verified(request, stranger?.secret ?? '')).toThrow()
  })

  test('that are replaced sign no more after a day', async () => {
    await stored.pool.query(`update callback_key set expires_at = now() - interval '1 s' where expires_at is not null`)
    expect(await secretsOf()).toHaveLength(1)
  })

  test('are made once when many ask at the same moment, and never more than five sign', async () => {
    const asked = await Promise.all(Array.from({ length: 10 }, () => callbacks.keys.active('user:rotates')))
    expect(new Set(asked.flat().map(({ secret }) => secret)).size).toBe(1)
    const rotations = await Promise.all(
      Array.from({ length: 7 }, () => callbacks.keys.rotate(userCalled('rotates'), undefined)),
    )
    expect(new Set(rotations.map(([current]) => current?.secret)).size).toBe(7)
    expect(await callbacks.keys.active('user:rotates')).toHaveLength(5)
  })
})

test('after the seal key was lost, old callbacks are given up, and new ones are signed with a new key', async () => {
  const told = await running()
  const [lost] = await secretsOf()
  await callbacks.close()
  callbacks = open([receiver.host], createSealing({ key: randomBytes(32) }))
  await told.end('Done.')
  expect((await settled(told, 'dead')).attempts).toMatchObject([{ error: 'target_unreadable' }])
  const later = await running()
  await later.end('Done.')
  await settled(later, 'delivered')
  const [secret = ''] = await secretsOf()
  expect(secret).not.toBe(lost)
  expect(verified(receiver.received[0] ?? expect.fail(), secret).idempotencyKey).toBe(later.id)
  await callbacks.close()
  callbacks = open([receiver.host])
})

describe('a list', () => {
  test('is newest first, in pages, by state', async () => {
    const told = await running()
    await told.end('Done.')
    const { deliveryId } = await settled(told, 'delivered')
    for (let more = 0; more < 3; more++) {
      const id = newExecutionId()
      await database.orm.insert(callback).values({
        id: `dlv_${id.slice('exec_'.length)}`,
        sessionId: told.sessionId,
        executionId: id,
        owner: 'user:user-1',
        state: 'dead',
        target: Buffer.alloc(1),
        body: '{}',
        attemptsLeft: 0,
      })
    }
    const { callbacks: newest, nextCursor } = await callbacks.list(told.sessionId, { limit: 3 })
    expect(newest.map(({ state }) => state)).toEqual(['dead', 'dead', 'dead'])
    const rest = await callbacks.list(told.sessionId, { limit: 3, cursor: nextCursor ?? '' })
    expect(rest).toMatchObject({ callbacks: [{ deliveryId }], nextCursor: null })
    expect((await callbacks.list(told.sessionId, { state: 'delivered', limit: 3 })).callbacks).toHaveLength(1)
    await expect(callbacks.list(told.sessionId, { limit: 1, cursor: 'nonsense' })).rejects.toMatchObject({
      reason: 'invalid_input',
    })
  })

  test('of another session knows nothing of it', async () => {
    const told = await running()
    await told.end('Done.')
    const { deliveryId } = await settled(told, 'delivered')
    const other = await running()
    for (const id of [deliveryId, 'dlv_nothing', 'x'])
      await expect(callbacks.redeliver(other.sessionId, id)).rejects.toMatchObject({ reason: 'delivery_not_found' })
  })
})
