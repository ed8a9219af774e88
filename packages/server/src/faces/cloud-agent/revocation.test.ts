/** What was taken back ends: live sockets close with 4403 within a second, and the next call is refused. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quietLogger, signedToken } from '../../identity/testIdentity.ts'
import { bearer, expectRefusal, preparation, serveFace } from './testFace.ts'
import { testStream, type Watching } from './testStream.ts'

let stream: Awaited<ReturnType<typeof testStream>>
let http: Awaited<ReturnType<typeof serveFace>>
beforeAll(async () => {
  stream = await testStream()
  http = await serveFace({ ...stream, logger: quietLogger })
})
afterAll(async () => {
  await http[Symbol.asyncDispose]()
  await stream[Symbol.asyncDispose]()
})

/** By the poll, plus what a busy machine takes to do it. */
const withinMs = 2_500

type Live = Awaited<ReturnType<typeof live>>

/** A member of the organization who watches a session of it with a ticket that `credential` got. */
async function live(credential: 'key' | 'token' = 'key') {
  const { userId, apiKey } = await stream.newUser()
  const { organizationId } = stream
  await stream.auth.api.addMember({ body: { userId, organizationId, role: 'member' } })
  const headers = bearer(credential === 'key' ? apiKey : await signedToken(userId))
  const input = { ...preparation, kilocodeOrganizationId: organizationId }
  const started = await http.mutate('start', input, headers)
  const session = /agent_[0-9a-f-]{36}/.exec(started.text)?.[0] ?? expect.fail(started.text)
  const ticket = async () => {
    const answer = await http.request('/api/cloud-agent/sessions/stream-ticket', {
      method: 'POST',
      headers,
      body: JSON.stringify({ cloudAgentSessionId: session }),
    })
    return /"ticket":"([^"]+)"/.exec(answer.text)?.[1] ?? expect.fail(answer.text)
  }
  const dial = (cloudAgentSessionId: string, withTicket: string) =>
    stream.dial({ cloudAgentSessionId, ticket: withTicket })
  const watching = await dial(session, await ticket())
  if ('status' in watching) throw new Error(JSON.stringify(watching))
  return { userId, headers, session, watching, ticket, dial: (withTicket: string) => dial(session, withTicket) }
}

async function closedWith(watching: Watching): Promise<{ code: number; afterMs: number }> {
  const since = performance.now()
  const code = await watching.closed
  return { code, afterMs: performance.now() - since }
}

/** `ticket`: the answer to one that was got before and not used yet. */
const ends: [what: string, sql: string, next: 'unauthorized' | 'session_not_found', ticket: number][] = [
  ['its key is deleted', 'delete from apikey where reference_id = $1', 'unauthorized', 401],
  ['its key is disabled', 'update apikey set enabled = false where reference_id = $1', 'unauthorized', 401],
  ['its key ends', `update apikey set expires_at = now() where reference_id = $1`, 'unauthorized', 401],
  ['its user is removed', 'delete from "user" where id = $1', 'unauthorized', 404],
  ['its membership ends', 'delete from member where user_id = $1', 'session_not_found', 404],
]

describe('a live socket ends', () => {
  test.each(ends)('when %s, wherever that was done', async (_, sql, next, status) => {
    const { userId, headers, session, watching, ticket, dial }: Live = await live()
    const unused = await ticket()
    const closing = closedWith(watching)
    await stream.database.pool.query(sql, [userId])
    const { code, afterMs } = await closing
    expect(code).toBe(4403)
    expect(afterMs).toBeLessThan(withinMs)
    expectRefusal(await http.query('getSession', { cloudAgentSessionId: session }, headers), next)
    const refused = await dial(unused)
    expect(refused).toMatchObject({ status })
  })

  test('and no other with it: one of a token does not end with the keys of its user', async () => {
    const one = await live('token')
    const other = await live()
    await stream.database.pool.query('delete from apikey where reference_id = $1', [one.userId])
    const gone = await live()
    await stream.database.pool.query('delete from apikey where reference_id = $1', [gone.userId])
    expect((await closedWith(gone.watching)).code).toBe(4403)
    for (const { watching } of [one, other]) expect(watching.socket.readyState).toBe(watching.socket.OPEN)
  })
})
