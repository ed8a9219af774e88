/**
 * A real tool of a real agent says a hundred thousand lines as fast as it can, which the agent tells again and again from
 * the beginning. What comes of it is few events with the last state in them, and nobody else is held up.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, play, say } from '../harness/script.ts'
import { endingOf } from '../harness/viewer.ts'
import { type Begun, startConversation } from './conversation.ts'
import { answerOf, expectKept } from './kept.ts'

let corral: Installation
let flooding: Begun

beforeAll(async () => {
  corral = await startInstallation()
  flooding = await startConversation(corral, 'tool-flood', play(say('Ready.')))
  await flooding.ended(flooding.first)
})
afterAll(async () => {
  flooding?.viewer.close()
  await corral?.end()
})

test('a flood of a tool’s output is a few events, and the last of them has its end', async () => {
  const lines = 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo "line $i of many"; done'
  const execution = await flooding.send(play(bash(lines), say('That was much.')))
  expect(endingOf(await flooding.ended(execution, 120_000))).toBe('completed')
  expect(answerOf(flooding, execution)).toBe('That was much.')

  const rows = (await flooding.records.events(flooding.session)).filter((row) => row.executionId === execution)
  const times = rows.filter(({ data }) => data.includes('"tool":"bash"'))
  const tookMs = flooding.viewer.events
    .filter(({ executionId }) => executionId === execution)
    .map(({ timestamp }) => Date.parse(timestamp))
  const seconds = (Math.max(...tookMs) - Math.min(...tookMs)) / 1_000
  // Once per 150 ms at most, and a few at its beginning and its end.
  expect(times.length).toBeLessThan(seconds / 0.15 + 10)
  expect(times.at(-1)?.data).toContain('"status":"completed"')
  const running = times.filter(({ data }) => data.includes('"status":"running"'))
  expect(running.at(-1)?.seq, 'no running snapshot comes behind the end').toBeLessThan(times.at(-1)?.seq ?? 0)
  await expectKept(flooding, { [flooding.first]: 'completed', [execution]: 'completed' })
}, 180_000)
