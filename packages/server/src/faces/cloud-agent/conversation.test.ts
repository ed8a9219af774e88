import { createTRPCClient, httpBatchLink, TRPCClientError } from '@trpc/client'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import type { AppRouter } from './router.ts'
import { bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
const { operator, organizationId } = face
afterAll(() => face[Symbol.asyncDispose]())

const backEnd = createTRPCClient<AppRouter>({
  links: [
    httpBatchLink({
      url: `${face.url}/trpc`,
      headers: { ...bearer(operator.apiKey), 'x-internal-api-key': internalApiSecret },
    }),
  ],
})
const client = createTRPCClient<AppRouter>({
  links: [httpBatchLink({ url: `${face.url}/trpc`, headers: bearer(operator.apiKey) })],
})
const post = (path: string, body: unknown, key = operator.apiKey, headers: Record<string, string> = {}) =>
  face.request(path, { method: 'POST', headers: { ...bearer(key), ...headers }, body: JSON.stringify(body) })
const ticketRoute = '/api/cloud-agent/sessions/stream-ticket'
const prepareRoute = '/api/cloud-agent/sessions/prepare'
const preparedAnswer = z.object({
  cloudAgentSessionId: z.string(),
  kiloSessionId: z.string(),
  ticket: z.string(),
  expiresAt: z.number(),
})

describe("the seed's client", () => {
  test('prepares, initiates, gets a ticket and follows up', async () => {
    const prepared = await backEnd.prepareSession.mutate({ ...preparation, kilocodeOrganizationId: organizationId })
    const { cloudAgentSessionId, kiloSessionId } = prepared

    const ack = await client.initiateFromKilocodeSessionV2.mutate({ cloudAgentSessionId })
    const streamUrl = `/stream?cloudAgentSessionId=${cloudAgentSessionId}`
    expect(ack).toEqual({
      cloudAgentSessionId,
      kiloSessionId,
      executionId: ack.executionId,
      status: 'queued',
      streamUrl,
    })

    const { json } = await post(ticketRoute, { cloudAgentSessionId, organizationId })
    expect(json).toEqual({ ticket: expect.any(String), expiresAt: expect.any(Number) })

    const followUp = await client.sendMessageV2.mutate({
      cloudAgentSessionId,
      prompt: 'Implement the improvements',
      mode: 'code',
      model: 'gpt-4o-mini',
    })
    expect(followUp.executionId).not.toBe(ack.executionId)
    const view = await client.getSession.query({ cloudAgentSessionId })
    expect(view).toMatchObject({
      kiloSessionId,
      orgId: organizationId,
      queuedCount: 2,
      initiatedAt: expect.any(Number),
    })
  })

  test('finds the same under the canonical names', async () => {
    const { cloudAgentSessionId, kiloSessionId } = await backEnd.prepareSession.mutate(preparation)
    const first = await client.initiateFromPreparedSession.mutate({ sessionId: cloudAgentSessionId })
    expect(await client.initiateFromPreparedSession.mutate({ cloudAgentSessionId })).toEqual(first)
    const second = await client.sendMessage.mutate({ sessionId: cloudAgentSessionId, prompt: 'And now?' })

    expect(await client.getSession.query({ kiloSessionId })).toMatchObject({ sessionId: cloudAgentSessionId })
    const named = { cloudAgentSessionId, executionId: second.executionId }
    expect(await client.getMessageResult.query(named)).toMatchObject({ status: 'queued', queuePosition: 2 })
    expect(await client.updateExecution.mutate({ ...named, prompt: 'And then?' })).toEqual(second)
    expect(await client.getDiff.query({ cloudAgentSessionId })).toMatchObject({ cloudAgentSessionId, files: [] })
    expect(await client.getTiming.query(named)).toMatchObject({ executionId: second.executionId })
    const listed = await client.listSessions.query({ limit: 1 })
    expect(listed.sessions).toMatchObject([{ sessionId: cloudAgentSessionId, queuedCount: 2 }])
    expect(listed.sessions[0]).not.toHaveProperty('prompt')

    expect(await client.interruptSession.mutate({ cloudAgentSessionId })).toMatchObject({
      success: true,
      interruptedExecutionIds: [first.executionId, second.executionId],
    })
    expect(await client.deleteSession.mutate({ cloudAgentSessionId })).toEqual({ success: true })
    await expect(client.getSession.query({ cloudAgentSessionId })).rejects.toThrow('There is no such session.')
  })

  test('is told why a call was refused', async () => {
    const { cloudAgentSessionId } = await backEnd.prepareSession.mutate(preparation)
    const error = await client.sendMessage.mutate({ cloudAgentSessionId, prompt: 'Too early' }).catch((e: unknown) => e)
    if (!(error instanceof TRPCClientError)) throw error
    expect(error.message).toBe('The session must be initiated before it takes follow-ups.')
    expect(error.data).toEqual({
      code: 'PRECONDITION_FAILED',
      httpStatus: 412,
      path: 'sendMessage',
      reason: 'not_initiated',
      sentence: error.message,
      retryable: false,
      cloudAgentSessionId,
    })
  })
})

describe('REST', () => {
  test('prepares with a bearer alone, and the ticket that comes with it is for that session', async () => {
    const { json } = await post(prepareRoute, { ...preparation, organizationId })
    expect(json).toEqual({
      cloudAgentSessionId: expect.stringMatching(/^agent_/),
      kiloSessionId: expect.stringMatching(/^ses_/),
      ticket: expect.any(String),
      expiresAt: expect.any(Number),
    })
    const { ticket, expiresAt, ...pair } = preparedAnswer.parse(json)
    expect(await face.identity.tickets.verify(ticket)).toMatchObject({
      ok: true,
      claims: { ...pair, userId: operator.userId, organizationId, purpose: 'stream', exp: expiresAt },
    })
  })

  test('exports under both ids', async () => {
    const { cloudAgentSessionId, kiloSessionId } = await client.start.mutate(preparation)
    const [one, other] = await Promise.all(
      [cloudAgentSessionId, kiloSessionId].map((id) =>
        face.request(`/api/session/${id}/export`, { headers: bearer(operator.apiKey) }),
      ),
    )
    expect(one?.json).toMatchObject({ info: { id: kiloSessionId }, messages: [{ info: { role: 'user' } }] })
    expect(other?.text).toBe(one?.text)
  })
})

describe('an Idempotency-Key', () => {
  const keyed = (key: string, input: object) =>
    face.mutate('start', { ...preparation, ...input }, { ...bearer(operator.apiKey), 'idempotency-key': key })

  test('makes a repeated call the same call', async () => {
    const first = await keyed('once', {})
    expect(first.status).toBe(200)
    expect((await keyed('once', {})).json).toEqual(first.json)
    expect((await keyed('once', { clientId: 'once' })).json).toEqual(first.json)
    expectRefusal(await keyed('once', { prompt: 'Something else' }), 'idempotency_mismatch')
  })

  test('does so for REST, too', async () => {
    const answers = await Promise.all(
      ['rest', 'rest', 'rest'].map((key) =>
        post(prepareRoute, preparation, operator.apiKey, { 'idempotency-key': key }),
      ),
    )
    const ids = answers.map(({ json }) => preparedAnswer.parse(json).cloudAgentSessionId)
    expect(new Set(ids).size).toBe(1)
  })

  test('that says something else than clientId, or is none, is refused', async () => {
    expectRefusal(await keyed('one', { clientId: 'another' }), 'invalid_input')
    expectRefusal(await keyed('two words', {}), 'invalid_input')
    const batch = await post('/trpc/start,start?batch=1', { 0: preparation, 1: preparation }, operator.apiKey, {
      'idempotency-key': 'batched',
    })
    expect(batch.json).toMatchObject([
      { error: { data: { reason: 'invalid_input', details: [{ path: 'Idempotency-Key' }] } } },
      { error: { data: { reason: 'invalid_input', details: [{ path: 'Idempotency-Key' }] } } },
    ])
  })
})
