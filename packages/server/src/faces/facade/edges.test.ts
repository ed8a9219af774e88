/** Where reads begin and end: the first and the last page, exactly one message, a session before anything was said. */
import { newMessageId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { assistantSays, expectRefused, type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const messagesSchema = z.array(z.object({ info: z.looseObject({ id: z.string() }), parts: z.array(z.unknown()) }))

async function page(session: string, query: string) {
  const { json, headers } = await face.request(`/session/${session}/message?${query}`)
  return { ids: messagesSchema.parse(json).map(({ info }) => info.id), next: headers.get('x-next-cursor') }
}

/** One message of the user and two of the agent; their ids, in order. */
async function conversation() {
  const { id, agentSessionId } = await face.start({ prompt: 'The first' })
  const answers = ['One.', 'Two.'].map((text) => assistantSays(agentSessionId, [{ type: 'text', text }]))
  for (const { events } of answers) await face.say(id, events)
  const { ids } = await page(agentSessionId, '')
  expect(ids.slice(1)).toEqual(answers.map((answer) => answer.id))
  return { id, agentSessionId, ids }
}

/** Begun, and nothing asked of it yet. */
async function untouched(): Promise<string> {
  const body = JSON.stringify({ metadata: { repository: { githubRepo: 'corral/sample' } } })
  const { json } = await face.request('/session', { method: 'POST', body })
  return z.object({ id: z.string() }).parse(json).id
}

describe('a page', () => {
  test('that has all of them is the last one', async () => {
    const { agentSessionId, ids } = await conversation()
    for (const limit of [3, 4, 100]) expect(await page(agentSessionId, `limit=${limit}`)).toEqual({ ids, next: null })
    const last = await page(agentSessionId, 'limit=2')
    expect(last.ids).toEqual(ids.slice(1))
    expect(await page(agentSessionId, `limit=1&before=${last.next}`), 'exactly what is left').toEqual({
      ids: ids.slice(0, 1),
      next: null,
    })
  })

  test('is what it was while new messages come, and also when the next one is read twice', async () => {
    const { id, agentSessionId, ids } = await conversation()
    const { next } = await page(agentSessionId, 'limit=1')
    for (let i = 0; i < 3; i += 1) {
      await face.say(id, assistantSays(agentSessionId, [{ type: 'text', text: `Late ${i}` }]).events)
      expect((await page(agentSessionId, `limit=2&before=${next}`)).ids).toEqual(ids.slice(0, 2))
    }
  })

  test('is asked for by a cursor of its own list alone', async () => {
    const [one, other] = [await conversation(), await conversation()]
    const { next } = await page(one.agentSessionId, 'limit=1')
    const [position] = Buffer.from(next ?? '', 'base64url')
      .toString()
      .split('.')
    const forged = Buffer.from(`${position}.${'x'.repeat(24)}`).toString('base64url')
    for (const [session, cursor] of [
      [other.agentSessionId, next],
      [one.agentSessionId, forged],
      [one.agentSessionId, `${next}x`.repeat(50)],
      [one.agentSessionId, ''],
    ]) {
      const refused = await face.request(`/session/${session}/message?limit=1&before=${cursor}`)
      expectRefused(refused, 400, 'KILO_QUERY_INVALID', 'before')
    }
    const sessions = (await face.request('/session?limit=1')).headers.get('x-next-cursor')
    const ofSessions = await face.request(`/session/${one.agentSessionId}/message?limit=1&before=${sessions}`)
    expectRefused(ofSessions, 400, 'KILO_QUERY_INVALID', 'before')
  })

  test('of a session that was asked nothing yet is empty, and the last one', async () => {
    const session = await untouched()
    for (const query of ['', 'limit=0', 'limit=1', 'limit=100']) {
      expect(await page(session, query)).toEqual({ ids: [], next: null })
    }
  })
})

describe('exactly one message', () => {
  test('is found in its own session alone, and not where a sub-agent said it', async () => {
    const [one, other] = [await conversation(), await conversation()]
    const below = assistantSays('ses_child0000000000000000000', [{ type: 'text', text: 'Below.' }])
    await face.say(one.id, below.events)
    const [, answer = ''] = one.ids
    const at = (session: string, message: string) => face.request(`/session/${session}/message/${message}`)
    expect((await at(one.agentSessionId, answer)).json).toMatchObject({
      info: { id: answer },
      parts: [{ text: 'One.' }],
    })
    for (const [session, message] of [
      [other.agentSessionId, answer],
      [one.agentSessionId, below.id],
      [one.agentSessionId, newMessageId()],
      [one.agentSessionId, `${answer}0`],
      [one.agentSessionId, answer.toUpperCase()],
      [one.agentSessionId, 'msg_%'],
      [one.agentSessionId, `msg_${'x'.repeat(300)}`],
    ] as const) {
      expectRefused(await at(session, message), 404, 'KILO_MESSAGE_NOT_FOUND')
    }
    const query = await face.request(`/session/${one.agentSessionId}/message/${answer}?limit=1`)
    expectRefused(query, 400, 'KILO_SESSION_SELECTOR_UNSUPPORTED')
  })

  test('is there from the moment it is queued, also when it is taken back', async () => {
    const { id, agentSessionId } = await face.start({ prompt: 'Wait' })
    const { ids } = await page(agentSessionId, '')
    const read = () => face.request(`/session/${agentSessionId}/message/${ids[0]}`)
    const queued = await read()
    expect(queued.json).toMatchObject({ info: { role: 'user' }, parts: [{ type: 'text', text: 'Wait' }] })
    await face.sessions.interrupt(face.caller, id)
    expect((await read()).text).toBe(queued.text)
  })
})

describe('a session before anything was said', () => {
  test('has its details, is idle, and is in the list', async () => {
    const session = await untouched()
    const detail = await face.request(`/session/${session}`)
    expect(detail.json).toMatchObject({ id: session, title: '', directory: `/cloud-agent/sessions/${session}` })
    expect((await face.request(`/session/status?directory=/cloud-agent/sessions/${session}`)).json).toEqual({})
    const list = await face.request(`/session?directory=/cloud-agent/sessions/${session}`)
    expect(list.json).toEqual([detail.json])
  })

  test('is busy from its first prompt on, until that is over or taken back', async () => {
    const session = await untouched()
    const status = async () => (await face.request('/session/status')).json
    const body = JSON.stringify({ parts: [{ type: 'text', text: 'Begin' }] })
    expect((await face.request(`/session/${session}/prompt_async`, { method: 'POST', body })).status).toBe(204)
    expect(await status()).toMatchObject({ [session]: { type: 'busy' } })
    expect((await face.request(`/session/${session}`)).json).toMatchObject({ id: session, title: 'Begin' })
    await face.request(`/session/${session}/abort`, { method: 'POST' })
    expect(await status()).not.toHaveProperty(session)
  })
})
