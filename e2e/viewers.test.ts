/**
 * Many eyes on one log, on bare sockets: one that is there from the beginning, one that joins in the middle, and one
 * that stalls while megabytes flow. All of them see the same, and nobody waits for anybody.
 */
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from './harness/installation.ts'
import { makeRepository } from './harness/repositories.ts'
import { gate, play, say } from './harness/script.ts'
import { openSocket, type SocketViewer } from './harness/socket.ts'
import { endingOf } from './harness/viewer.ts'

let corral: Installation
let session: SessionId
let early: SocketViewer
let late: SocketViewer
let stalled: SocketViewer
/** What `late` has seen before. */
let fromId: number

const agentMs = 40_000
const open = (parameters: Record<string, string> = {}) => openSocket({ url: corral.url, apiKey, session }, parameters)
const endOf = (viewer: SocketViewer, execution: ExecutionId) =>
  viewer.until(`the end of ${execution}`, (event) => event.executionId === execution && endingOf(event) !== null)

beforeAll(async () => {
  corral = await startInstallation()
  const repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  ;({ cloudAgentSessionId: session } = await corral.backEnd.call.prepareSession.mutate({
    prompt: play(say('A lot is to come.'), gate('flood'), 'flood 4MB', say('That was it.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
  }))
})
afterAll(async () => {
  for (const viewer of [early, late, stalled]) viewer?.close()
  await corral?.end()
})

test('one that stalls harms nobody: the others see the end of the turn, and of the next one', async () => {
  early = await open()
  stalled = await open()
  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
  await (await corral.model()).waitAtGate('flood', agentMs)
  stalled.pause()
  const seen = stalled.frames.length
  await (await corral.model()).release('flood')

  fromId = await eventually('a flood that has begun', agentMs, () => early.events()[200]?.eventId ?? null)
  late = await open({ fromId: String(fromId) })
  await Promise.all([early, late].map((viewer) => endOf(viewer, executionId)))

  const next = await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt: play(say('Next.')) })
  await Promise.all([early, late].map((viewer) => endOf(viewer, next.executionId)))
  expect(stalled.frames.length).toBe(seen)
  stalled.resume()
  await endOf(stalled, next.executionId)
})

test('all of them saw the same events in the same order, without a gap or a double', async () => {
  const all = early.events()
  expect(all.map(({ eventId }) => eventId)).toEqual(all.map((_, i) => i + 1))
  expect(JSON.stringify(all).length).toBeGreaterThan(8 * 1024 * 1024)
  expect(stalled.events()).toEqual(all)
  expect(late.events()).toEqual(all.filter(({ eventId }) => eventId > fromId))
})

test('connected comes once to each, between what was and what is', async () => {
  for (const viewer of [early, late, stalled]) {
    expect(viewer.connected()).toHaveLength(1)
    const [connected] = viewer.connected()
    const at = viewer.frames.findIndex(({ streamEventType }) => streamEventType === 'connected')
    const last = connected?.data.lastEventId ?? expect.fail('no state')
    expect(viewer.frames.slice(0, at).every(({ eventId }) => eventId <= last)).toBe(true)
    expect(viewer.frames.slice(at + 1).every(({ eventId }) => eventId > last)).toBe(true)
  }
  expect(late.connected()[0]?.data).toMatchObject({ status: 'busy', sandbox: 'ready' })
})
