/** Files of prompts and what an editor shows, as the SDKs send them. What the agent makes of them: `e2e/commands.test.ts`. */
import { createHash } from 'node:crypto'
import { newMessageId, type SessionId } from '@corral/protocol'
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attachment } from '../../database/attachmentTables.ts'
import { execution, session } from '../../database/schema.ts'
import { type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const text = { type: 'text', text: 'Look' } as const
const plan = {
  type: 'file',
  mime: 'text/plain',
  filename: 'plan.md',
  url: 'data:text/plain;base64,VGhlIHBsYW4=',
} as const
const sha256 = createHash('sha256').update('The plan').digest('hex')
const executionsOf = (id: SessionId) =>
  face.database.orm.select().from(execution).where(eq(execution.sessionId, id)).orderBy(execution.queuedSeq)
const prompt = (agentSessionId: string, body: unknown) =>
  face.request(`/session/${agentSessionId}/prompt_async`, { method: 'POST', body: JSON.stringify(body) })

test('files of a prompt go with it: bytes as attachments, paths below the folder as files of the workspace', async () => {
  const { id, agentSessionId } = await face.start()
  const client = createKiloClient({
    baseUrl: `${face.url}/kilo`,
    headers: { Authorization: `Bearer ${face.operator.apiKey}` },
  })
  const url = `file:///cloud-agent/sessions/${agentSessionId}/src/a%20door.ts`
  const messageID = newMessageId()
  const parts = [text, plan, { type: 'file' as const, mime: 'text/plain', url }]
  for (let again = 0; again < 2; again += 1) {
    const { error } = await client.session.promptAsync({ sessionID: agentSessionId, messageID, parts })
    expect(error).toBeUndefined()
  }
  const [, queued, ...more] = await executionsOf(id)
  expect(more).toEqual([])
  expect(queued).toMatchObject({
    prompt: 'Look',
    request: {
      files: [
        { kind: 'attachment', sha256, bytes: 8, mime: 'text/plain', filename: 'plan.md' },
        { kind: 'workspace', path: 'src/a door.ts', mime: 'text/plain' },
      ],
    },
  })
  const held = await face.database.orm.select().from(attachment).where(eq(attachment.sessionId, id))
  expect(held).toMatchObject([{ sha256, data: Buffer.from('The plan') }])
  const other = await prompt(agentSessionId, { messageID, parts: [text, { ...plan, url: 'data:,Another%20plan' }] })
  expect(other).toMatchObject({ status: 409, json: { error: 'KILO_PROMPT_ADMISSION_REJECTED' } })
  // A file alone is a prompt, too.
  expect((await prompt(agentSessionId, { parts: [plan] })).status).toBe(204)
})

test('what no sandbox could reach, is too much, or nothing that a model reads is refused', async () => {
  const { id, agentSessionId } = await face.start()
  const below = `file:///cloud-agent/sessions/${agentSessionId}`
  const binary = `data:application/zip;base64,${Buffer.from([0x50, 0x4b, 3, 4, 0]).toString('base64')}`
  const urls = [
    'https://example.com/a.png',
    'file:///etc/passwd',
    `${below}/../../other/x`,
    `${below}/a%2f..%2f..%2fx`,
    `${below}/`,
    'file:///cloud-agent/sessions/ses_00000000000000000000000000/x',
    'data:,',
    'data:,%ff%zz',
    binary,
  ]
  for (const url of urls) {
    const refused = await prompt(agentSessionId, { parts: [text, { ...plan, url }] })
    expect(refused, url).toMatchObject({ status: 400, json: { error: 'KILO_BASIC_PROMPT_UNSUPPORTED' } })
  }
  const six = await prompt(agentSessionId, { parts: [text, plan, plan, plan, plan, plan, plan] })
  expect(six).toMatchObject({ status: 400, json: { message: expect.stringContaining('at most 5 files') } })
  const large = `data:,${'x'.repeat(5 * 1024 * 1024 + 1)}`
  expect((await prompt(agentSessionId, { parts: [text, { ...plan, url: large }] })).status).toBe(400)
  expect(await executionsOf(id)).toHaveLength(1)
})

test('what an editor shows goes to Kilo, with paths of the workspace, and to no agent that has no use for it', async () => {
  const { id, agentSessionId } = await face.start()
  const activeFile = `/cloud-agent/sessions/${agentSessionId}/src/a.ts`
  const body = { parts: [text], editorContext: { activeFile, openTabs: [activeFile, 'b.ts'], shell: '/bin/zsh' } }
  expect(await prompt(agentSessionId, body)).toMatchObject({
    status: 400,
    json: { error: 'KILO_PROMPT_ADMISSION_REJECTED', message: expect.stringContaining('editorContext') },
  })
  await face.database.orm.update(session).set({ agentKind: 'kilo' }).where(eq(session.id, id))
  expect((await prompt(agentSessionId, body)).status).toBe(204)
  expect((await executionsOf(id)).at(-1)?.request.editorContext).toEqual({
    ...{ activeFile: 'src/a.ts', openTabs: ['src/a.ts', 'b.ts'], shell: '/bin/zsh' },
  })
})
