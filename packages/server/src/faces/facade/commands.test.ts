/** Slash commands, as the SDKs list and give them. What the agent makes of one is `e2e/commands.test.ts`'s. */
import { type AgentCommand, linkOnlySchemas, newMessageId, type SessionId } from '@corral/protocol'
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { execution, workspace } from '../../database/schema.ts'
import { type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const review: AgentCommand = { name: 'review', description: 'Looks at changes', source: 'command', hints: ['$1'] }
const told: AgentCommand[] = [review, { name: 'init', hints: [] }]

const tell = (id: SessionId, { runs }: { runs: boolean }) =>
  face.database.orm
    .update(workspace)
    .set({
      commands: linkOnlySchemas.commands.parse({ commands: told }).commands,
      agentUntil: runs ? sql`now()` : null,
    })
    .where(eq(workspace.sessionId, id))
const executionsOf = (id: SessionId) =>
  face.database.orm.select().from(execution).where(eq(execution.sessionId, id)).orderBy(execution.queuedSeq)
const post = (agentSessionId: string, body: unknown) =>
  face.request(`/session/${agentSessionId}/command`, { method: 'POST', body: JSON.stringify(body) })
const clientOf = (create: typeof createKiloClient) =>
  create({ baseUrl: `${face.url}/kilo`, headers: { Authorization: `Bearer ${face.operator.apiKey}` } })

test('the commands of a session are those that its agent has told, without their templates', async () => {
  const { id, agentSessionId } = await face.start()
  const directory = `/cloud-agent/sessions/${agentSessionId}`
  const client = clientOf(createKiloClient)
  expect((await client.command.list({ directory })).data).toEqual([])
  await tell(id, { runs: false })
  const shown = told.map((command) => ({ ...command, template: '' }))
  expect((await client.command.list({ directory })).data).toEqual(shown)
  // Before there is a session: what the newest one has.
  expect((await client.command.list()).data).toEqual(shown)
  expect(await face.sessions.commands({ userId: face.operator.userId, botId: null, internal: false }, id)).toEqual(told)
})

test('a command is queued under its message’s id, once, and shows as it was typed', async () => {
  const { id, agentSessionId } = await face.start()
  const messageID = newMessageId()
  const body = { messageID, command: 'review', arguments: 'the door', model: 'kilo/scripted/demo', agent: 'plan' }
  const client = createOpencodeClient({
    baseUrl: `${face.url}/opencode`,
    headers: { Authorization: `Bearer ${face.operator.apiKey}` },
  })
  for (let again = 0; again < 2; again += 1) {
    const { data } = await client.session.command({ sessionID: agentSessionId, ...body })
    expect(data).toMatchObject({
      info: { role: 'assistant', sessionID: agentSessionId, parentID: messageID },
      parts: [],
    })
  }
  const [, queued, ...more] = await executionsOf(id)
  expect(more).toEqual([])
  expect(queued).toMatchObject({
    ...{ state: 'queued', clientId: messageID, messageId: messageID, prompt: '/review the door' },
    request: { command: { name: 'review', arguments: 'the door' }, mode: 'plan', model: 'scripted/demo' },
  })
  expect((await face.request(`/session/${agentSessionId}/message/${messageID}`)).json).toMatchObject({
    parts: [{ type: 'text', text: '/review the door' }],
  })
  // Its assistant message is made for the answer, and stored nowhere.
  const { json } = await face.request(`/session/${agentSessionId}/message`)
  expect(json).toHaveLength(2)
  const other = await post(agentSessionId, { ...body, arguments: 'the wall' })
  expect(other).toMatchObject({ status: 409, json: { error: 'KILO_COMMAND_ADMISSION_REJECTED' } })
})

test('one that the running agent does not have is refused, and names those that there are', async () => {
  const { id, agentSessionId } = await face.start()
  await tell(id, { runs: true })
  const refused = await post(agentSessionId, { command: 'deploy', arguments: '' })
  expect(refused).toMatchObject({
    status: 400,
    json: { error: 'KILO_COMMAND_ADMISSION_REJECTED', message: expect.stringContaining('review, init') },
  })
  expect(await executionsOf(id)).toHaveLength(1)
  expect((await post(agentSessionId, { command: 'init', arguments: '' })).status).toBe(200)
  // The next start of an agent may find it in the workspace.
  await tell(id, { runs: false })
  expect((await post(agentSessionId, { command: 'deploy', arguments: '' })).status).toBe(200)
})

test('what is no command, has files, or comes when ten wait is refused', async () => {
  const { id, agentSessionId } = await face.start()
  const refusals: [unknown, number, string][] = [
    [{ arguments: '' }, 400, 'KILO_COMMAND_BODY_INVALID'],
    [{ command: 'init' }, 400, 'KILO_COMMAND_BODY_INVALID'],
    [{ command: 'x'.repeat(101), arguments: '' }, 400, 'KILO_COMMAND_BODY_INVALID'],
    [{ command: 'init', arguments: '', model: 'demo' }, 400, 'KILO_COMMAND_BODY_INVALID'],
    [{ command: 'init', arguments: '', more: 1 }, 400, 'KILO_COMMAND_BODY_INVALID'],
    [{ command: 'init', arguments: '', parts: [{ type: 'file' }] }, 400, 'KILO_COMMAND_PARTS_UNSUPPORTED'],
  ]
  for (const [body, status, error] of refusals) {
    expect(await post(agentSessionId, body)).toMatchObject({ status, json: { error } })
  }
  expect(await executionsOf(id)).toHaveLength(1)
  for (let waiting = 1; waiting < 10; waiting += 1) await post(agentSessionId, { command: 'init', arguments: '' })
  const full = await post(agentSessionId, { command: 'init', arguments: '' })
  expect(full).toMatchObject({ status: 429, json: { error: 'KILO_COMMAND_QUEUE_FULL' } })
})

test('the words of a queued command cannot be replaced by a prompt', async () => {
  const { id, agentSessionId } = await face.start()
  await post(agentSessionId, { command: 'init', arguments: '' })
  const queued = (await executionsOf(id)).at(-1)
  if (!queued) throw new Error('nothing was queued')
  const caller = { userId: face.operator.userId, botId: null, internal: false }
  const change = face.sessions.updateExecution(caller, id, { executionId: queued.id, prompt: 'Something else' })
  await expect(change).rejects.toMatchObject({ reason: 'invalid_input' })
})
