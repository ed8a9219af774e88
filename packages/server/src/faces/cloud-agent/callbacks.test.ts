/** Callbacks as the owner of a session has them: admission, lists, redelivery, keys. Delivery itself: `callbacks/`. */
import { createTRPCClient, httpLink } from '@trpc/client'
import { afterAll, describe, expect, test } from 'vitest'
import type { AppRouter } from './router.ts'
import { bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { operator, organizationId, auth } = face
const stranger = await face.newUser()
const member = await face.newUser()
await auth.api.addMember({ body: { userId: member.userId, organizationId, role: 'member' } })

const clientOf = (key: string) =>
  createTRPCClient<AppRouter>({ links: [httpLink({ url: `${face.url}/trpc`, headers: bearer(key) })] })
const mine = clientOf(operator.apiKey)
const callbackTarget = { url: 'https://example.com/hooks', headers: { authorization: 'Bearer secret' } }

const start = (target: object) =>
  face.mutate('start', { ...preparation, callbackTarget: target }, bearer(operator.apiKey))

/** A session whose one execution was stopped before it ran, so that its callback is owed. */
async function stopped() {
  const ack = await mine.start.mutate({ ...preparation, callbackTarget })
  await mine.interruptSession.mutate({ cloudAgentSessionId: ack.cloudAgentSessionId })
  return ack
}

describe('a target', () => {
  test.each([
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://10.0.0.1/',
    'https://localhost/',
    'http://example.com/',
  ])('%s is refused, and no session is made', async (url) => {
    const count = async () => (await mine.listSessions.query({ limit: 100 })).sessions.length
    const before = await count()
    const answer = await start({ url })
    expectRefusal(answer, 'target_refused')
    expect(answer.refusal?.details).toMatchObject([{ path: 'callbackTarget.url' }])
    expect(answer.text).not.toContain(url)
    expect(await count()).toBe(before)
  })

  test.each([
    'host',
    'Content-Type',
    'transfer-encoding',
    'webhook-id',
    'x-corral-attempt',
    'Expect',
    'Proxy-Authorization',
  ])('may not set the header %s', async (name) => {
    expectRefusal(await start({ url: callbackTarget.url, headers: { [name]: 'x' } }), 'invalid_input')
  })

  test('is shown to nobody: getSession says that there is one', async () => {
    const { cloudAgentSessionId } = await mine.start.mutate({ ...preparation, callbackTarget })
    const { json, text } = await face.query('getSession', { cloudAgentSessionId }, bearer(operator.apiKey))
    expect(json).toMatchObject({ result: { data: { hasCallback: true } } })
    expect(text).not.toMatch(/example\.com|Bearer secret/)
  })
})

describe('a callback', () => {
  test('of an execution that never ran is owed all the same, and part of its result', async () => {
    const { cloudAgentSessionId, executionId } = await stopped()
    const { callbacks } = await mine.listCallbacks.query({ cloudAgentSessionId })
    expect(callbacks).toMatchObject([{ executionId, deliveryId: expect.stringMatching(/^dlv_/) }])
    const result = await mine.getMessageResult.query({ cloudAgentSessionId, executionId })
    expect(result).toMatchObject({ status: 'interrupted', callback: { attempts: expect.any(Array) } })
  })

  test('is not there without a target', async () => {
    const { cloudAgentSessionId, executionId } = await mine.start.mutate(preparation)
    await mine.interruptSession.mutate({ cloudAgentSessionId })
    expect(await mine.listCallbacks.query({ cloudAgentSessionId })).toEqual({ callbacks: [], nextCursor: null })
    expect(await mine.getMessageResult.query({ cloudAgentSessionId, executionId })).not.toHaveProperty('callback')
  })

  test('of another session looks like one that never was', async () => {
    const { cloudAgentSessionId: theirs } = await stopped()
    const { cloudAgentSessionId: own } = await stopped()
    const [delivery] = (await mine.listCallbacks.query({ cloudAgentSessionId: theirs })).callbacks
    const ask = (sessionId: string, deliveryId: string, key = operator.apiKey) =>
      face.mutate('redeliverCallback', { sessionId, deliveryId }, bearer(key))
    const none = await ask(own, 'dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV')
    expectRefusal(none, 'delivery_not_found')
    expect(await ask(own, delivery?.deliveryId ?? '')).toEqual(none)
    expectRefusal(await ask(theirs, delivery?.deliveryId ?? '', stranger.apiKey), 'session_not_found')
  })
})

describe('keys', () => {
  test('are one’s own', async () => {
    const { keys } = await mine.getCallbackKeys.query({})
    expect(keys).toEqual([
      {
        keyId: expect.stringMatching(/^key_/),
        secret: expect.stringMatching(/^whsec_/),
        createdAt: expect.any(Number),
      },
    ])
    expect((await clientOf(stranger.apiKey).getCallbackKeys.query({})).keys).not.toEqual(keys)
    expect(await mine.getCallbackKeys.query({}), 'and the same the next time').toEqual({ keys })
  })

  test('rotate: the one before signs on', async () => {
    const { keys: before } = await mine.getCallbackKeys.query({})
    const { keys } = await mine.rotateCallbackKey.mutate({})
    expect(keys.map(({ expiresAt }) => typeof expiresAt)).toEqual(['undefined', 'number'])
    expect(keys[1]?.secret).toBe(before[0]?.secret)
  })

  test('of an organization are its admins’', async () => {
    const ofOrganization = { kilocodeOrganizationId: organizationId }
    const { keys } = await mine.getCallbackKeys.query(ofOrganization)
    expect(keys).not.toEqual((await mine.getCallbackKeys.query({})).keys)
    for (const [key, reason] of [
      [member.apiKey, 'role_required'],
      [stranger.apiKey, 'organization_not_found'],
    ] as const) {
      expectRefusal(await face.query('getCallbackKeys', ofOrganization, bearer(key)), reason)
      expectRefusal(await face.mutate('rotateCallbackKey', ofOrganization, bearer(key)), reason)
    }
    expect(await mine.getCallbackKeys.query(ofOrganization)).toEqual({ keys })
  })
})
