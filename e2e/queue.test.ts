/**
 * What waits its turn: follow-ups during a turn, the limit, Stop, and the same call made many times. One session,
 * held by gates at the moments that matter.
 */
import { join } from 'node:path'
import type { Ack, ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from './harness/installation.ts'
import { makeRepository } from './harness/repositories.ts'
import { gate, play, say } from './harness/script.ts'
import { endingOf, follow, type Viewer } from './harness/viewer.ts'

let corral: Installation
let session: SessionId
let viewer: Viewer
let first: ExecutionId
let followUps: ExecutionId[]

const clientId = 'the-same-message'
const agentMs = 40_000

const send = (prompt: string, more: { clientId?: string } = {}): Promise<Ack> =>
  corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt, ...more })
const view = () => corral.corral.call.getSession.query({ cloudAgentSessionId: session })
const statusOf = async (executionId: ExecutionId) =>
  (await corral.corral.call.getMessageResult.query({ cloudAgentSessionId: session, executionId })).status
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))

beforeAll(async () => {
  corral = await startInstallation()
  const repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  ;({ cloudAgentSessionId: session } = await corral.backEnd.call.prepareSession.mutate({
    prompt: play(say('I begin.'), gate('first'), say('I end.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
  }))
  viewer = follow(corral.corral, session)
})
afterAll(async () => {
  viewer?.close()
  await corral?.end()
})

test('initiated twenty times at once, a session has one first execution', async () => {
  const acks = await Promise.all(
    times(20, () => corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })),
  )
  const ids = new Set(acks.map(({ executionId }) => executionId))
  expect(ids.size).toBe(1)
  first = acks[0]?.executionId ?? expect.fail('no ack')
  await (await corral.model()).waitAtGate('first', agentMs)
})

test('sent twenty times at once with one clientId, a message is one execution', async () => {
  const acks = await Promise.all(times(20, () => send(play(say('One.')), { clientId })))
  expect(new Set(acks.map((ack) => JSON.stringify(ack))).size).toBe(1)
  expect(await view()).toMatchObject({ queuedCount: 1 })
  await expect(send(play(say('Another.')), { clientId })).rejects.toMatchObject({
    httpStatus: 409,
    reason: 'idempotency_mismatch',
  })
  expect(await view()).toMatchObject({ queuedCount: 1 })
  followUps = [acks[0]?.executionId ?? expect.fail('no ack')]
})

test('follow-ups sent during a turn run after it, one by one, in their order', async () => {
  for (const words of ['Two.', 'Three.']) followUps.push((await send(play(say(words)))).executionId)
  expect(await view()).toMatchObject({ execution: { id: first, status: 'running' }, queuedCount: 3 })
  await (await corral.model()).release('first')
  const last = followUps.at(-1) ?? expect.fail('no follow-up')
  await viewer.ended(last)

  const life = viewer.events.flatMap((event) => {
    const what = endingOf(event) ?? (event.streamEventType === 'started' ? 'started' : null)
    return what && event.executionId ? [`${what} ${event.executionId}`] : []
  })
  expect(life).toEqual([first, ...followUps].flatMap((id) => [`started ${id}`, `completed ${id}`]))
  const words = await Promise.all(
    followUps.map((executionId) =>
      corral.corral.call.getMessageResult.query({ cloudAgentSessionId: session, executionId }),
    ),
  )
  expect(words.map(({ assistant }) => assistant?.text)).toEqual(['One.', 'Two.', 'Three.'])
})

test('with ten queued the eleventh is refused, and nothing has changed', async () => {
  const held = (await send(play(say('I wait.'), gate('second'), say('Never said.')))).executionId
  await (await corral.model()).waitAtGate('second', agentMs)
  const queued = []
  for (const i of times(10, (n) => n)) queued.push((await send(play(say(`Number ${i}.`)))).executionId)
  const before = await view()
  expect(before).toMatchObject({ execution: { id: held }, queuedCount: 10 })
  await expect(send(play(say('Too much.')))).rejects.toMatchObject({
    httpStatus: 429,
    reason: 'queue_full',
  })
  expect(await view()).toEqual({
    ...before,
    execution: { ...(before.execution ?? expect.fail('nothing runs')), lastHeartbeat: expect.any(Number) },
  })
})

test('Stop settles all of them before it answers, one interrupted each, and the next message works', async () => {
  const running = (await view()).execution?.id ?? expect.fail('nothing runs')
  const stopped = await corral.corral.call.interruptSession.mutate({ cloudAgentSessionId: session })
  const after = await view()
  expect(stopped.interruptedExecutionIds).toHaveLength(11)
  expect(stopped.interruptedExecutionIds[0]).toBe(running)
  expect(after).toMatchObject({ execution: null, queuedCount: 0 })
  expect(await Promise.all(stopped.interruptedExecutionIds.map(statusOf))).toEqual(times(11, () => 'interrupted'))

  const next = (await send(play(say('Here I am.')))).executionId
  const end = await viewer.ended(next, agentMs)
  expect(end.streamEventType).toBe('complete')
  const endings = viewer.events.filter(
    ({ executionId }) => executionId && stopped.interruptedExecutionIds.includes(executionId),
  )
  expect(endings.map(endingOf).filter((ending) => ending !== null)).toEqual(times(11, () => 'interrupted'))
  await expect((await corral.model()).gates()).resolves.toMatchObject([{ waiting: 0 }, { waiting: 0 }])
})

test('Stop on a session that is idle is a success', async () => {
  const stopped = await corral.corral.call.interruptSession.mutate({ cloudAgentSessionId: session })
  expect(stopped).toMatchObject({
    success: true,
    interruptedExecutionIds: [],
    killedProcessIds: [],
    failedProcessIds: [],
  })
})
