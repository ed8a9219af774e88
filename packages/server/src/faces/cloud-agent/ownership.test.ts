import { newAgentSessionId, newExecutionId, newSessionId } from '@corral/protocol'
import { createTRPCClient, httpLink } from '@trpc/client'
import { afterAll, describe, expect, test } from 'vitest'
import type { AppRouter } from './router.ts'
import { bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
const { operator, organizationId, auth, database } = face
const stranger = await face.newUser()
const colleague = await face.newUser()
await auth.api.addMember({ body: { userId: colleague.userId, organizationId, role: 'member' } })
afterAll(() => face[Symbol.asyncDispose]())

const clientOf = (key: string) =>
  createTRPCClient<AppRouter>({ links: [httpLink({ url: `${face.url}/trpc`, headers: bearer(key) })] })
const personal = await clientOf(operator.apiKey).start.mutate(preparation)
const shared = await clientOf(operator.apiKey).start.mutate({ ...preparation, kilocodeOrganizationId: organizationId })

type Names = { sessionId: string; kiloSessionId: string; executionId: string }
const never: Names = {
  sessionId: newSessionId(),
  kiloSessionId: newAgentSessionId(),
  executionId: newExecutionId(),
}
const namesOf = (ack: typeof personal): Names => ({
  sessionId: ack.cloudAgentSessionId,
  kiloSessionId: ack.kiloSessionId,
  executionId: ack.executionId,
})

/** Every way to a session, with the ids that it takes. */
const ways: [name: string, call: (key: string, names: Names) => ReturnType<typeof face.request>][] = [
  ['getSession', (key, { sessionId }) => face.query('getSession', { sessionId }, bearer(key))],
  ['getSession by the agent id', (key, { kiloSessionId }) => face.query('getSession', { kiloSessionId }, bearer(key))],
  ['getDiff', (key, { sessionId }) => face.query('getDiff', { sessionId }, bearer(key))],
  ['getTiming', (key, { sessionId }) => face.query('getTiming', { sessionId }, bearer(key))],
  [
    'getMessageResult',
    (key, { sessionId, executionId }) => face.query('getMessageResult', { sessionId, executionId }, bearer(key)),
  ],
  ['initiate', (key, { sessionId }) => face.mutate('initiateFromPreparedSession', { sessionId }, bearer(key))],
  ['sendMessage', (key, { sessionId }) => face.mutate('sendMessage', { sessionId, prompt: 'Hello' }, bearer(key))],
  [
    'updateExecution',
    (key, { sessionId, executionId }) =>
      face.mutate('updateExecution', { sessionId, executionId, prompt: 'Hello' }, bearer(key)),
  ],
  ['interruptSession', (key, { sessionId }) => face.mutate('interruptSession', { sessionId }, bearer(key))],
  [
    'stream-ticket',
    (key, { sessionId }) =>
      face.request('/api/cloud-agent/sessions/stream-ticket', {
        method: 'POST',
        headers: bearer(key),
        body: JSON.stringify({ cloudAgentSessionId: sessionId }),
      }),
  ],
  ['export', (key, { sessionId }) => face.request(`/api/session/${sessionId}/export`, { headers: bearer(key) })],
  [
    'export by the agent id',
    (key, { kiloSessionId }) => face.request(`/api/session/${kiloSessionId}/export`, { headers: bearer(key) }),
  ],
]

describe("another's session", () => {
  test('is not deleted by an answer that says success', async () => {
    const remove = (sessionId: string) => face.mutate('deleteSession', { sessionId }, bearer(stranger.apiKey))
    expect(await remove(personal.cloudAgentSessionId)).toEqual(await remove(never.sessionId))
    const mine = await face.query('getSession', { sessionId: personal.cloudAgentSessionId }, bearer(operator.apiKey))
    expect(mine.status).toBe(200)
  })

  test('does not lend its executions to a session of one’s own', async () => {
    const own = await clientOf(stranger.apiKey).start.mutate(preparation)
    const ask = (executionId: string) =>
      face.query('getMessageResult', { sessionId: own.cloudAgentSessionId, executionId }, bearer(stranger.apiKey))
    expectRefusal(await ask(personal.executionId), 'execution_not_found')
    expect(await ask(personal.executionId)).toEqual(await ask(never.executionId))
  })
})

describe('an organization', () => {
  test('that one is not in looks like one that never existed', async () => {
    const start = (id: string) =>
      face.mutate('start', { ...preparation, kilocodeOrganizationId: id }, bearer(stranger.apiKey))
    const list = (id: string) => face.query('listSessions', { kilocodeOrganizationId: id }, bearer(stranger.apiKey))
    for (const call of [start, list]) {
      expectRefusal(await call(organizationId), 'organization_not_found')
      expect(await call(organizationId)).toEqual(await call('never'))
    }
  })

  test('that the session is not of gets no ticket', async () => {
    const ask = (cloudAgentSessionId: string) =>
      face.request('/api/cloud-agent/sessions/stream-ticket', {
        method: 'POST',
        headers: bearer(operator.apiKey),
        body: JSON.stringify({ cloudAgentSessionId, organizationId }),
      })
    expectRefusal(await ask(personal.cloudAgentSessionId), 'session_not_found')
    expect((await ask(shared.cloudAgentSessionId)).status).toBe(200)
  })

  test('takes its sessions along when the membership ends', async () => {
    const started = await clientOf(colleague.apiKey).start.mutate({
      ...preparation,
      kilocodeOrganizationId: organizationId,
    })
    for (const [name, call] of ways.filter(([way]) => way !== 'initiate')) {
      expect((await call(colleague.apiKey, namesOf(started))).status, name).toBe(200)
    }
    await database.pool.query('delete from member where user_id = $1', [colleague.userId])
    for (const [, call] of ways) expectRefusal(await call(colleague.apiKey, namesOf(started)), 'session_not_found')
    expect((await face.query('listSessions', {}, bearer(colleague.apiKey))).json).toMatchObject({
      result: { data: { sessions: [] } },
    })
  })
})
