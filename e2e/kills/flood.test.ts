/**
 * An agent says more than the spool may hold while the server is away. When it is back, the log has no hole, viewers
 * are told that deltas were given up, and the conversation is the agent's own, word for word.
 */
import { glob, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Envelope, limits, MiB } from '@corral/protocol'
import { emptyTranscript, logEventOf, orderedMessages, reduce } from '@corral/transcript'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentExport } from '../harness/agentExport.ts'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, gate, play, say } from '../harness/script.ts'
import { type Begun, startConversation } from './conversation.ts'

const floodMs = 240_000
/** What its deltas and full updates take is more than twice its size. */
const sentences = 6
const sentenceBytes = 5 * MiB

let corral: Installation
let conversation: Begun

beforeAll(async () => {
  corral = await startInstallation()
  const subAgent = (name: string) =>
    `task ${JSON.stringify(name)} { flood ${sentenceBytes}B | ${bash('true')} | ${say(name)} }`
  const subAgents = Array.from({ length: sentences }, (_, i) => subAgent(`agent ${i}`))
  conversation = await startConversation(
    corral,
    'flood',
    play(say('Much is to come.'), gate('begin'), 'flood 2MB', ...subAgents, gate('end'), say('That was all.')),
  )
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

/** Bytes of the session's segments, and whether one of them begins with what counts the dropped. */
async function spool(): Promise<{ bytes: number; rewritten: boolean }> {
  const found = { bytes: 0, rewritten: false }
  const segments = join(corral.home, 'sandboxes', '*', 'state', 'spool', conversation.session, '*', '*.spool')
  for await (const path of glob(segments)) {
    await using file = await open(path).catch(() => null)
    if (!file) continue
    found.bytes += (await file.stat()).size
    const { buffer } = await file.read(Buffer.alloc(64), 0, 64, 0)
    found.rewritten ||= buffer.includes('"events_dropped"')
  }
  return found
}

test('a flood while the server is away: the log has no hole, and deltas were given up', async () => {
  const { first, viewer } = conversation
  await conversation.atGate('begin')
  await viewer.until('the first words', ({ data }) => JSON.stringify(data).includes('to come'))
  await corral.kill()
  const model = await corral.model()
  await model.release('begin')
  let most = 0
  await eventually('a spool that was rewritten, and the end of the flood', floodMs, async () => {
    const { bytes, rewritten } = await spool()
    most = Math.max(most, bytes)
    const waiting = (await model.gates()).some((held) => held.name === 'end' && held.waiting > 0)
    return (rewritten && waiting) || null
  })
  expect(most).toBeGreaterThan(limits.spoolBytes * 0.9)
  expect(most).toBeLessThan(limits.spoolBytes * 1.5)
  const supervisor = (await conversation.inside()).supervisor ?? expect.fail('no supervisor')
  const [, highWaterKiB] = /VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${supervisor}/status`, 'utf8')) ?? []
  expect(Number(highWaterKiB) / 1024, 'MiB that the supervisor had at most').toBeLessThan(400)

  await corral.start()
  await model.release('end')
  expect((await conversation.ended(first, floodMs)).streamEventType).toBe('complete')
  const numbers = viewer.events.map(({ eventId }) => eventId)
  expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  const dropped = viewer.events.filter(({ streamEventType }) => streamEventType === 'events_dropped')
  expect(dropped.length).toBeGreaterThan(0)
}, 300_000)

test('the conversation is the agent’s own, and so are those of its sub-agents', async () => {
  const { session, viewer } = conversation
  const messages = orderedMessages(
    reduce(
      emptyTranscript,
      viewer.events.map((event: Envelope) => logEventOf(event)),
    ),
  )
  const talks = Map.groupBy(messages, ({ message }) => message.info.sessionID)
  expect(talks.size).toBe(sentences + 1)
  // The export reads a copy of all that the agent has; the first, one in the middle and the last are enough.
  for (const [agentSessionId, ours] of [...talks].filter((_, i) => i % 3 === 0)) {
    const theirs = await agentExport(corral, { session, agentSessionId: agentSessionId as never, agent: 'opencode' })
    expect(ours.map(({ message, parts }) => ({ info: message.info, parts }))).toEqual(theirs.messages)
  }
})
