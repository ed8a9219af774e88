/** The figures that Prometheus gets, of a real log on a real database. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unsentCallbacks } from '../callbacks/testCallbacks.ts'
import { defaultTimers } from '../config.ts'
import { connect } from '../database/connect.ts'
import { operatorFace } from '../faces/operator/routes.ts'
import { quietLogger } from '../identity/testIdentity.ts'
import { createSink } from '../sessions/executions/sink.ts'
import { delta, type LogUnderTest, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { addRunningExecution } from '../testing/runningExecution.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { GatewayFigures } from './now.ts'

let stored: TestDatabase
let log: LogUnderTest['log']
let database: LogUnderTest['database']
let metrics: Metrics
let gateway: () => Promise<GatewayFigures | null> = async () => ({
  activeCalls: 2,
  calls: [{ kind: 'models', outcome: '2xx', count: 7 }],
})

beforeAll(async () => {
  stored = await testDatabase()
  metrics = createMetrics({
    ...{ pool: stored.pool, viewers: () => 3, links: () => 1, logger: quietLogger },
    gateway: () => gateway(),
  })
  const sink = metrics.watching(createSink({ timers: defaultTimers, callbacks: unsentCallbacks, wake: () => {} }))
  ;({ log, database } = await openLog(stored.pool, { sink, observer: metrics.log }))
})
afterAll(async () => {
  await log.close()
  await stored[Symbol.asyncDispose]()
})

/** The value of one series; null when it is not there. */
async function figure(series: string): Promise<number | null> {
  const { text } = await metrics.text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return line === undefined ? null : Number(line.slice(series.length + 1))
}

test('executions and steps are counted once they are on disk', async () => {
  const { sessionId, id } = await addRunningExecution(database)
  expect(await figure('corral_executions{state="running"}')).toBe(1)
  const step = { type: 'status' as const, data: { message: 'Cloned.', step: 'clone', state: 'ok', durationMs: 1_500 } }
  const outcome = { executionId: id, attempt: 1, begun: true, result: 'failed', reason: 'model_error' }
  await log.offer({
    ...{ session: sessionId, epoch: 1, from: 1 },
    events: [step, delta('a'), { type: 'outcome', executionId: id, data: outcome }],
  })
  expect(await figure('corral_executions_ended_total{state="failed",reason="model_error"}')).toBe(1)
  expect(await figure('corral_executions{state="running"}')).toBe(0)
  expect(await figure('corral_step_seconds_sum{step="clone",status="ok"}')).toBe(1.5)
  expect(await figure('corral_log_append_seconds_count')).toBe(1)
  expect(await figure('corral_log_batch_events_sum')).toBe(3)
})

test('what is not stored is not counted', async () => {
  const { sessionId, id } = await addRunningExecution(database)
  const before = await figure('corral_log_append_seconds_count')
  const outcome = { executionId: id, attempt: 1, begun: true, result: 'completed' }
  const frame = {
    session: sessionId,
    epoch: 1,
    from: 5,
    events: [{ type: 'outcome' as const, executionId: id, data: outcome }],
  }
  await expect(log.offer(frame)).rejects.toThrow('missing')
  expect(await figure('corral_executions_ended_total{state="completed",reason=""}')).toBeNull()
  expect(await figure('corral_log_append_seconds_count')).toBe(before)
})

test('attempts of callbacks are counted by what came of them', async () => {
  metrics.callbackAttempted({ status: 503 })
  metrics.callbackAttempted({ error: 'timeout' })
  expect(await figure('corral_callback_attempts_total{outcome="5xx"}')).toBe(1)
  expect(await figure('corral_callback_attempts_total{outcome="timeout"}')).toBe(1)
})

test('turns of sessions that run elsewhere are counted by how they ended', async () => {
  metrics.pushedTurnEnded({ end: 'completed', ms: 2_500 })
  expect(await figure('corral_pushed_turn_seconds_count{end="completed"}')).toBe(1)
  expect(await figure('corral_pushed_turn_seconds_sum{end="completed"}')).toBe(2.5)
})

test('what is so now is asked for, also of the gateway and the process', async () => {
  expect(await figure('corral_viewers')).toBe(3)
  expect(await figure('corral_supervisor_links')).toBe(1)
  expect(await figure('corral_gateway_active_calls')).toBe(2)
  expect(await figure('corral_gateway_calls{kind="models",outcome="2xx"}')).toBe(7)
  expect(await figure('corral_callbacks{state="pending"}')).toBe(0)
  expect(await figure('process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
})

test('no series names a session, an execution or a user', async () => {
  const { text } = await metrics.text()
  expect(text).not.toMatch(/agent_|exec_|user-1/)
})

test('the figures are for those who have the internal key', async () => {
  const face = operatorFace({
    ...{ isReady: async () => true, metrics: metrics.text, internalApiSecret: 'the-secret', logger: quietLogger },
  })
  const ask = async (headers: Record<string, string>) => {
    const answer = await face.request('/metrics', { headers })
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
  }
  for (const headers of [{}, { authorization: 'Bearer wrong' }, { 'x-internal-api-key': 'the-secre' }] as Record<
    string,
    string
  >[]) {
    const { status, text } = await ask(headers)
    expect([status, JSON.parse(text).reason]).toEqual([401, 'internal_key_required'])
  }
  for (const headers of [{ authorization: 'Bearer the-secret' }, { 'x-internal-api-key': 'the-secret' }] as Record<
    string,
    string
  >[]) {
    const { status, type, text } = await ask(headers)
    expect([status, type]).toEqual([200, expect.stringMatching(/^text\/plain; version=0\.0\.4/)])
    expect(text).toContain('# TYPE corral_executions gauge')
  }
})

test('ready says whether work can be done', async () => {
  let isReady = true
  const face = operatorFace({
    ...{ isReady: async () => isReady, metrics: metrics.text, internalApiSecret: 'x', logger: quietLogger },
  })
  const ask = async () => {
    const answer = await face.request('/ready')
    return [answer.status, await answer.json()]
  }
  expect(await ask()).toEqual([200, { status: 'ok' }])
  isReady = false
  expect(await ask()).toEqual([503, { status: 'unavailable' }])
})

test('what cannot be read is told as down, and the rest is told all the same', async () => {
  gateway = () => Promise.reject(new Error('away'))
  const gone = connect('postgres://nobody@127.0.0.1:1/none')
  const broken = createMetrics({
    ...{ pool: gone, viewers: () => 3, links: () => 1, gateway, logger: quietLogger },
  })
  const { text } = await broken.text()
  expect(text).toMatch(/^corral_database_up 0$/m)
  expect(text).toMatch(/^corral_gateway_up 0$/m)
  expect(text).toMatch(/^corral_viewers 3$/m)
  expect(text).not.toMatch(/^corral_executions\{/m)
})
