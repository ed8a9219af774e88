import { text } from 'node:stream/consumers'
import { newSessionId } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { createRateLimits } from './rateLimits.ts'
import { bearer, chat, type TestSession, testGateway } from './testGateway.ts'

describe('the calls of a minute', () => {
  let ms = 0
  const caller = (organizationId: string | null, userId = 'user') => ({
    sessionId: newSessionId(),
    userId,
    organizationId,
  })

  test('are all there at first, and come again evenly', () => {
    const limits = createRateLimits({ sessionPerMinute: 3 }, () => ms)
    const one = caller('org')
    for (let call = 0; call < 3; call++) expect(limits.take(one)).toBeNull()
    expect(limits.take(one)).toMatchObject({ scope: 'session', retryAfterS: 20 })
    ms += 19_500
    expect(limits.take(one)).toMatchObject({ scope: 'session', retryAfterS: 1 })
    ms += 500
    expect(limits.take(one)).toBeNull()
    ms += 10 * 60_000
    for (let call = 0; call < 3; call++) expect(limits.take(one)).toBeNull()
    expect(limits.take(one)).not.toBeNull()
  })

  test('are counted for each session, and for all of an organization or of a user', () => {
    const limits = createRateLimits({ sessionPerMinute: 2, organizationPerMinute: 3 }, () => ms)
    const [one, other, personal] = [caller('org'), caller('org'), caller(null)]
    expect([limits.take(one), limits.take(one)]).toEqual([null, null])
    expect(limits.take(one)).toMatchObject({ scope: 'session' })
    expect(limits.take(other)).toBeNull()
    expect(limits.take(other)).toMatchObject({ scope: 'organization', retryAfterS: 20 })
    expect(limits.take(personal)).toBeNull()
    expect(limits.take(caller(null))).toBeNull()
    expect(limits.take(caller(null))).toBeNull()
    expect(limits.take(caller(null))).toMatchObject({ scope: 'organization' })
  })

  test('are without a limit where none is set', () => {
    const limits = createRateLimits({}, () => ms)
    const one = caller('org')
    for (let call = 0; call < 1_000; call++) expect(limits.take(one)).toBeNull()
  })
})

test('a session that calls too often is told when to come again, and its calls reach no upstream', async () => {
  await using gateway = await testGateway({ rateLimits: { sessionPerMinute: 2 } })
  const ask = async (session: TestSession, path = '/v1/chat/completions') => {
    const answer = await gateway.call(path, {
      method: 'POST',
      headers: bearer(session.token),
      body: chat('say "hello"'),
    })
    return { status: answer.statusCode, headers: answer.headers, body: await text(answer.body) }
  }
  const [session, other] = [await gateway.session(), await gateway.session()]
  expect([(await ask(session)).status, (await ask(session)).status]).toEqual([200, 200])
  const refused = await ask(session)
  expect([refused.status, JSON.parse(refused.body)]).toEqual([
    429,
    {
      error: expect.objectContaining({ message: expect.stringMatching(/2 calls a minute/), type: 'rate_limit_error' }),
    },
  ])
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(30)
  const { rows } = await gateway.database.pool.query('select 1 from model_call where session_id = $1', [
    session.id.slice(6),
  ])
  expect(rows).toHaveLength(2)
  expect((await ask(other)).status).toBe(200)
})
