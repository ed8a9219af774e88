/** A pushed session that goes on in the cloud: one row, one log, and from then on one writer. */
import type { AgentSessionId } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { bearer, expectRefusal, preparation, testFace } from '../cloud-agent/testFace.ts'
import { createPusher, messageItem, sessionItem, succeeded, textItem } from './testIngest.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const alice = createPusher(face, face.operator.apiKey)
const stranger = await face.newUser()
const backEnd = (key: string) => ({ ...bearer(key), 'x-internal-api-key': internalApiSecret })

const repository = { type: 'kilo_meta', data: { platform: 'cli', gitUrl: 'git@github.com:Corral/Sample.git' } }

async function pushed(): Promise<{ id: AgentSessionId; cloudAgentSessionId: string }> {
  const id = await alice.newSession()
  await alice.taken(id, [
    repository,
    sessionItem(id),
    messageItem('msg_1', 'user'),
    textItem('msg_1', 'prt_1', 'Hello'),
  ])
  const row = succeeded(await alice.get(`/api/session/${id}`)) as { cloudAgentSessionId: string }
  return { id, ...row }
}

type Pushed = Awaited<ReturnType<typeof pushed>>
const prepare = ({ id, cloudAgentSessionId }: Pushed, more: object = {}, key = face.operator.apiKey) =>
  face.mutate('prepareLegacySession', { ...preparation, cloudAgentSessionId, kiloSessionId: id, ...more }, backEnd(key))

describe('prepareLegacySession', () => {
  test('gives a pushed session its configuration and leaves it what was said', async () => {
    const session = await pushed()
    const prepared = await prepare(session)
    expect(prepared.json).toMatchObject({
      result: { data: { kiloSessionId: session.id, cloudAgentSessionId: session.cloudAgentSessionId } },
    })
    expect((await alice.get(`/api/session/${session.id}`)).json).toMatchObject({
      ...{ agentKind: 'opencode', title: 'Mend the test', status: 'idle', gitUrl: 'https://github.com/corral/sample' },
    })
    expect((await alice.export(session.id)).messages).toMatchObject([{ parts: [{ text: 'Hello' }] }])
    // Again is the same; another content is not.
    expect(succeeded(await prepare(session))).toMatchObject({ result: { data: { kiloSessionId: session.id } } })
    expectRefusal(await prepare(session, { mode: 'ask' }), 'already_initiated')
  })

  test('ends its pushes', async () => {
    const session = await pushed()
    succeeded(await prepare(session))
    const before = await alice.export(session.id)
    const refused = await alice.push(session.id, [messageItem('msg_2', 'user')])
    expectRefusal(refused, 'session_moved_to_cloud')
    expect(refused.json).toMatchObject({ success: false, error: 'session_moved_to_cloud' })
    expect(await alice.export(session.id)).toEqual(before)
    // Creation is idempotent for it, as for every session of theirs.
    expect((await alice.post('/api/session', { sessionId: session.id })).status).toBe(200)
  })

  test('is refused for another repository, and for what is not the caller’s', async () => {
    const session = await pushed()
    expectRefusal(await prepare(session, { githubRepo: 'corral/other' }), 'invalid_input')
    const ids = { ...session, id: 'ses_00000000000000000000000001' as const }
    expectRefusal(await prepare(ids), 'session_not_found')
    expectRefusal(await prepare(session, {}, stranger.apiKey), 'session_not_found')
    // Nothing of it has changed.
    expect(await alice.taken(session.id, [messageItem('msg_2', 'user')])).toMatchObject({ accepted: 1 })
  })
})

describe('a pushed session by its own id', () => {
  const start = async (id: string, key = face.operator.apiKey) => {
    const input = encodeURIComponent(JSON.stringify({ ...preparation, kiloSessionId: id }))
    const abort = new AbortController()
    const response = await fetch(`${face.url}/trpc/initiateFromKilocodeSession?input=${input}`, {
      headers: bearer(key),
      signal: abort.signal,
    })
    abort.abort()
    return response.status
  }

  test('is started once, with the prompt behind what was said', async () => {
    const { id } = await pushed()
    expect(await start(id, stranger.apiKey)).toBe(404)
    expect(await start(id)).toBe(200)
    expect(await start(id)).toBe(200)
    const { messages } = await alice.export(id)
    expect(messages.map(({ parts }) => parts[0]?.text)).toEqual(['Hello', preparation.prompt])
    expectRefusal(await alice.push(id, []), 'session_moved_to_cloud')
  })
})
