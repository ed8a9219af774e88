/**
 * A model that is busy without end. OpenCode gives up after some tries; Kilo tries again for as long as it is told to, and
 * the clock of progress ends its turn. Neither is the end of the session.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { play, say } from '../harness/script.ts'
import { follow } from '../harness/viewer.ts'

const noProgressMs = 30_000
let calls = 0
const busy = createServer((request, response) => {
  calls += 1
  request.resume().on('end', () => response.writeHead(429, { 'retry-after': '1' }).end())
})
let corral: Installation

beforeAll(async () => {
  await once(busy.listen(0, '127.0.0.1'), 'listening')
  const address = busy.address()
  const port = typeof address === 'object' && address ? address.port : 0
  corral = await startInstallation({
    env: { CORRAL_TEST_TIMERS: `noProgressMs=${noProgressMs}` },
    config: { upstreams: { busy: { baseUrl: `http://127.0.0.1:${port}/v1` } } },
  })
})
afterAll(async () => {
  await corral?.end()
  busy.close()
})

test.each([
  ['opencode', 'model_error'],
  ['kilo', 'no_progress'],
])(
  '%s tries again and again, its turn ends by %s, and the next message works',
  async (agentKind, reason) => {
    calls = 0
    const gitUrl = await makeRepository(`${corral.repositories}/${agentKind}`, { 'README.md': 'An app.\n' })
    const { cloudAgentSessionId, executionId } = await corral.corral.call.start.mutate({
      ...{ prompt: play(say('Never said.')), mode: 'code', model: 'busy/model', agentKind, gitUrl },
    })
    const viewer = follow(corral.corral, cloudAgentSessionId)
    const end = await viewer.ended(executionId, 4 * noProgressMs)
    expect(end).toMatchObject({ streamEventType: 'error', data: { reason } })
    expect(calls).toBeGreaterThan(2)
    const next = await corral.corral.call.sendMessage.mutate({
      ...{ cloudAgentSessionId, model: 'scripted/demo', prompt: play(say('Said at last.')) },
    })
    expect(await viewer.ended(next.executionId, 4 * noProgressMs)).toMatchObject({ streamEventType: 'complete' })
    viewer.close()
  },
  8 * noProgressMs,
)
