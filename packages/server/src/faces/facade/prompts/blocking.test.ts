/** A prompt whose answer is the end of its turn: what it is answered with, and that it survives what stands between. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startProxy } from '../../../../../client/src/testing/proxy.ts'
import { execution } from '../../../database/schema.ts'
import { failHead } from '../../../sessions/executions/sink.ts'
import { assistantSays, expectRefused, type TestFacade, testFacade } from '../testFacade.ts'

/** In the proportion of 15 s to 60 s. */
const waitedTurnMs = 300
const silenceMs = 1_200

let face: TestFacade
beforeAll(async () => {
  face = await testFacade({ timers: { waitedTurnMs } })
})
afterAll(() => face[Symbol.asyncDispose]())

const send = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  face.request(path, { method: 'POST', headers, body: JSON.stringify(body) })
/** On a busy machine, too. */
const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const text = (words: string) => ({ type: 'text', text: words })

/** As its supervisor's last word makes it. */
async function complete(id: SessionId, executionId: ExecutionId): Promise<void> {
  await face.database.transaction(async (tx) => {
    const ending = { type: 'complete' as const, executionId, data: '{}', ends: true, key: `ended:${executionId}` }
    await tx.orm.update(execution).set({ state: 'completed', endedAt: new Date() }).where(eq(execution.id, executionId))
    await face.log.appendIn(tx, id, [ending])
  })
}

describe('a prompt that is waited for', () => {
  const prompt = (id: string, words: string, headers: Record<string, string> = {}, messageID?: string) =>
    send(`/session/${id}/message`, { messageID, parts: [text(words)] }, headers)
  const executionOf = (words: string) =>
    eventually(async () => {
      const [row] = await face.database.orm.select().from(execution).where(eq(execution.prompt, words))
      return row ?? expect.fail(`${words} is not queued`)
    })

  test('gives the last message of its own turn', async () => {
    const { id, agentSessionId } = await face.start()
    await face.sessions.interrupt(face.caller, id)
    const messageID = 'msg_waited0for'
    const waiting = [prompt(agentSessionId, 'Speak', {}, messageID), prompt(agentSessionId, 'Speak', {}, messageID)]
    const { id: executionId } = await executionOf('Speak')
    const said = assistantSays(agentSessionId, [text('Spoken.')])
    await face.say(id, said.events, executionId)
    await complete(id, executionId)
    const answers = [...(await Promise.all(waiting)), await prompt(agentSessionId, 'Speak', {}, messageID)]
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 200, json: { info: { id: said.id }, parts: [{ text: 'Spoken.' }] } })
      expect(answer.json).not.toHaveProperty('info.error')
    }
  })

  test('gives what went wrong, made up where the agent said nothing', async () => {
    const { id, agentSessionId } = await face.start()
    await face.sessions.interrupt(face.caller, id)
    const failing = prompt(agentSessionId, 'Fail')
    await executionOf('Fail')
    await face.database.transaction(async (tx) => {
      const ending = await failHead(tx, id, { reason: 'clone_failed', message: 'There is no such repository.' })
      await face.log.appendIn(tx, id, ending)
    })
    expect((await failing).json).toMatchObject({
      info: {
        role: 'assistant',
        sessionID: agentSessionId,
        error: { name: 'UnknownError', data: { message: 'There is no such repository.' } },
      },
      parts: [],
    })
    const stopped = prompt(agentSessionId, 'Stop')
    await executionOf('Stop')
    await face.sessions.interrupt(face.caller, id)
    expect((await stopped).json).toMatchObject({ info: { error: { name: 'MessageAbortedError' } } })
  })

  test('gives the message as it stands when its time is over, and the turn goes on', async () => {
    const { agentSessionId } = await face.start()
    const begun = performance.now()
    const answer = await prompt(agentSessionId, 'Go on', { prefer: 'respond-async, wait=2' })
    const tookMs = performance.now() - begun
    expect(tookMs).toBeGreaterThan(1_900)
    expect(tookMs).toBeLessThan(6_000)
    expect(answer.json).toMatchObject({
      info: { error: { name: 'UnknownError', data: { message: expect.stringContaining('still running') } } },
    })
    expect((await executionOf('Go on')).state).toBe('queued')
    expectRefused(await prompt(agentSessionId, 'x', { prefer: 'wait=3601' }), 400, 'KILO_QUERY_INVALID')
    expectRefused(await send(`/session/${agentSessionId}/message`, { parts: [] }), 400, 'KILO_BASIC_PROMPT_UNSUPPORTED')
  })

  test('stops nothing when its client goes away', async () => {
    const { agentSessionId } = await face.start()
    const going = new AbortController()
    const body = JSON.stringify({ parts: [text('Leave')] })
    const gone = face.request(`/session/${agentSessionId}/message`, { method: 'POST', body, signal: going.signal })
    await executionOf('Leave')
    going.abort()
    await expect(gone).rejects.toThrow()
    expect((await executionOf('Leave')).state).toBe('queued')
  })

  test('survives a proxy that cuts what is silent, since it is told that the turn goes on', async () => {
    const { id, agentSessionId: sessionID } = await face.start()
    await face.sessions.interrupt(face.caller, id)
    await using proxy = await startProxy(face.url, { silenceMs })
    const client = createKiloClient({
      baseUrl: `${proxy.url}/kilo`,
      headers: { Authorization: `Bearer ${face.operator.apiKey}` },
    })
    const words = { type: 'text' as const, text: 'Take your time' }
    const begun = performance.now()
    const answer = client.session.prompt({ sessionID, parts: [words] })
    const { id: executionId } = await executionOf(words.text)
    expect(await cutAfterMs(proxy.url), 'what says nothing is cut').toBeGreaterThan(silenceMs * 0.9)
    await vi.waitFor(() => expect(performance.now() - begun).toBeGreaterThan(silenceMs * 2), { timeout: 10_000 })
    const said = assistantSays(sessionID, [text('Taken.')])
    await face.say(id, said.events, executionId)
    await complete(id, executionId)
    expect((await answer).data).toMatchObject({ info: { id: said.id }, parts: [{ text: 'Taken.' }] })
  })
})

/** How long a connection lives over which nothing goes. */
async function cutAfterMs(url: string): Promise<number> {
  const begun = performance.now()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  // A reset is a way to be cut.
  const reset = once(socket, 'close', { signal: AbortSignal.timeout(10_000) }).catch((error: Error) => error.message)
  expect(await reset).toMatch('ECONNRESET')
  return performance.now() - begun
}
