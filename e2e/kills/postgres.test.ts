/**
 * PostgreSQL is killed while two agents talk and people ask: it is started again, nothing is lost or doubled, and
 * whoever asks meanwhile is told to come back.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CorralCallError } from '@corral/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { gate, play, say } from '../harness/script.ts'
import { type Begun, bootMs, pushed, startConversation } from './conversation.ts'
import { answerOf, expectAgentsOwn, expectKept } from './kept.ts'

let corral: Installation
let slow: Begun
let flood: Begun

const words = Array.from({ length: 250 }, (_, i) => `word ${i}`).join(' ')
const floodBytes = 256 * 1024

beforeAll(async () => {
  corral = await startInstallation()
  ;[slow, flood] = await Promise.all([
    startConversation(corral, 'postgres', play(gate('slow'), `${say(words)} pace 10ms`)),
    startConversation(corral, 'postgres-flood', play(gate('flood'), 'flood 256KB', say('That was much.'))),
  ])
})
afterAll(async () => {
  slow?.viewer.close()
  flood?.viewer.close()
  await corral?.end()
})

async function killPostgres(): Promise<void> {
  const [pid] = (await readFile(join(corral.home, 'postgres', 'data', 'postmaster.pid'), 'utf8')).split('\n')
  process.kill(Number(pid), 'SIGKILL')
}

/** Sends the same message until it is taken, and tells how each attempt was answered. */
async function sendUntilTaken(clientId: string): Promise<string[]> {
  const answers: string[] = []
  for (const deadline = performance.now() + bootMs; performance.now() < deadline; await delay(20)) {
    try {
      const prompt = play(say('Once.'))
      await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: slow.session, prompt, clientId })
      return [...answers, 'taken']
    } catch (error) {
      if (!(error instanceof CorralCallError)) throw error
      answers.push(`${error.httpStatus} ${error.reason} ${error.isFinal ? 'final' : 'retryable'}`)
    }
  }
  return answers
}

test('PostgreSQL, under load', async () => {
  await Promise.all([slow.atGate('slow'), flood.atGate('flood')])
  await Promise.all([slow.release('slow'), flood.release('flood')])
  await slow.viewer.until('text', ({ data }) => data.type === 'message.part.delta')
  await killPostgres()
  const answers = await sendUntilTaken('sent-while-postgres-is-away')
  expect(new Set(answers)).toEqual(new Set(['503 unavailable retryable', 'taken']))
  await slow.viewer.until(
    'the end of the slow one',
    ({ executionId, streamEventType }) => executionId === slow.first && streamEventType === 'complete',
  )

  const [first, second] = await slow.records.executions(slow.session)
  expect(first?.id).toBe(slow.first)
  expect((await slow.ended(second?.id ?? expect.fail('the message was lost'))).streamEventType).toBe('complete')
  expect((await flood.ended(flood.first)).streamEventType).toBe('complete')

  expect(answerOf(slow, slow.first)).toBe(words)
  const said = answerOf(flood, flood.first)
  expect(said).toHaveLength(floodBytes + 'That was much.'.length)
  const lines = said.split('\n').slice(0, -1)
  expect(lines).toEqual(lines.map((_, i) => `${String(i).padStart(8, '0')} ${'.'.repeat(54)}`))

  await Promise.all([pushed(slow, slow.first), pushed(flood, flood.first)])
  await expectKept(slow, { [slow.first]: 'completed', [second?.id ?? '']: 'completed' })
  await expectKept(flood, { [flood.first]: 'completed' })
  await expectAgentsOwn(slow)
})
