/** Attachments: uploaded under the hash of their bytes, a session's own once a message names them, and gone with it. */
import { createHash, randomBytes } from 'node:crypto'
import { attachmentLimits, type PromptFile, type SessionId } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attachment, upload } from '../../database/attachmentTables.ts'
import { execution, session } from '../../database/schema.ts'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { bearer, preparation, testFace } from './testFace.ts'

let face: Awaited<ReturnType<typeof testFace>>
beforeAll(async () => {
  face = await testFace()
})
afterAll(() => face[Symbol.asyncDispose]())

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')
const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(100)])

async function put(data: Buffer | string, name = sha256(data), apiKey = face.operator.apiKey) {
  const answer = await face.request(`/api/cloud-agent/attachments/${name}`, {
    method: 'PUT',
    headers: bearer(apiKey),
    body: typeof data === 'string' ? data : new Uint8Array(data),
  })
  return { status: answer.status, json: answer.json }
}
const call = (name: string, input: unknown) => face.mutate(name, input, bearer(face.operator.apiKey))
async function started(changes: object = {}): Promise<SessionId> {
  const { json } = await call('start', { ...preparation, ...changes })
  return Object(json).result.data.cloudAgentSessionId
}
async function filesOf(id: SessionId): Promise<(PromptFile[] | undefined)[]> {
  const rows = await face.database.orm
    .select()
    .from(execution)
    .where(eq(execution.sessionId, id))
    .orderBy(execution.queuedSeq)
  return rows.map(({ request }) => request.files)
}
const held = (id: SessionId) => face.database.orm.select().from(attachment).where(eq(attachment.sessionId, id))

test('what a file is, its bytes say; again is the same', async () => {
  const text = 'A door — with a hinge.'
  const uploaded = { sha256: sha256(text), bytes: Buffer.byteLength(text), mimeType: 'text/plain' }
  for (let again = 0; again < 2; again += 1) expect(await put(text)).toMatchObject({ status: 200, json: uploaded })
  expect((await put(png)).json).toMatchObject({ mimeType: 'image/png' })
  expect((await put('%PDF-1.7')).json).toMatchObject({ mimeType: 'application/pdf' })
})

test.each<[string, () => Promise<{ status: number; json: unknown }>, number]>([
  ['other bytes than its name says', () => put('one', sha256('two')), 400],
  ['a name that is no hash', () => put('one', '..%2f..%2fcli.json'), 400],
  ['nothing', () => put(''), 400],
  ['what no model reads', () => put(Buffer.from([0, 1, 2, 0xff])), 400],
  ['half of a character', () => put(Buffer.from([0x61, 0xc3])), 400],
  ['more than 5 MiB', () => put('x'.repeat(attachmentLimits.bytes + 1)), 413],
])('%s is refused, and nothing is kept', async (_, upload_, status) => {
  const count = async () => (await face.database.orm.select({ at: upload.at }).from(upload)).length
  const before = await count()
  expect(await upload_()).toMatchObject({ status })
  expect(await count()).toBe(before)
})

test('a message takes its files along, for the session alone, however long it waits', async () => {
  await put('the plan')
  const attachments = [{ sha256: sha256('the plan'), filename: '../../plan.txt', mimeType: 'application/x-evil' }]
  const file = {
    kind: 'attachment',
    sha256: sha256('the plan'),
    bytes: 8,
    mime: 'text/plain',
    filename: '../../plan.txt',
  }
  const id = await started({ attachments, clientId: 'with-a-plan' })
  expect(await filesOf(id)).toEqual([[file]])
  expect(await started({ attachments, clientId: 'with-a-plan' })).toBe(id)

  await face.database.orm.update(upload).set({ at: sql`now() - interval '2 days'` })
  // It has it already; a new session does not, and the upload is too old.
  expect((await call('sendMessage', { sessionId: id, prompt: '', attachments })).status).toBe(200)
  expect(await filesOf(id)).toEqual([[file], [file]])
  expect(await held(id)).toMatchObject([{ data: Buffer.from('the plan') }])
  expect((await call('start', { ...preparation, attachments })).status).toBe(400)
  // The next upload clears away what is too old.
  await put('another')
  expect(await face.database.orm.select({ sha256: upload.sha256 }).from(upload)).toEqual([
    { sha256: sha256('another') },
  ])
})

test('the files of a prepared session wait with its prompt', async () => {
  await put('for later')
  const { json } = await face.mutate(
    'prepareSession',
    { ...preparation, attachments: [{ sha256: sha256('for later'), filename: 'later.txt' }] },
    { ...bearer(face.operator.apiKey), 'x-internal-api-key': internalApiSecret },
  )
  const id: SessionId = Object(json).result.data.cloudAgentSessionId
  expect(await filesOf(id)).toEqual([])
  await call('initiateFromPreparedSession', { sessionId: id })
  expect(await filesOf(id)).toMatchObject([[{ filename: 'later.txt' }]])
})

test('the same message with another file is another message', async () => {
  await put('one')
  await put('two')
  const id = await started()
  const message = (text: string) => ({
    ...{ sessionId: id, prompt: 'Look', clientId: 'look' },
    attachments: [{ sha256: sha256(text), filename: 'x' }],
  })
  expect((await call('sendMessage', message('one'))).status).toBe(200)
  expect((await call('sendMessage', message('one'))).status).toBe(200)
  expect((await call('sendMessage', message('two'))).status).toBe(409)
  expect(await filesOf(id)).toHaveLength(2)
  expect(await held(id)).toHaveLength(1)
})

test('another user’s upload is not there', async () => {
  await put('mine alone')
  const other = await face.newUser()
  const answer = await face.mutate(
    'start',
    { ...preparation, attachments: [{ sha256: sha256('mine alone'), filename: 'x' }] },
    bearer(other.apiKey),
  )
  expect(answer.status).toBe(400)
})

test('how much waits for one user, and what a session holds, is bounded', async () => {
  const data = Buffer.from('x'.repeat(attachmentLimits.bytes))
  const row = { userId: face.operator.userId, bytes: attachmentLimits.waitingBytes, mime: 'text/plain', data } as const
  await face.database.orm.insert(upload).values({ ...row, sha256: 'b'.repeat(64) })
  expect(await put('one more')).toMatchObject({ status: 413 })
  await face.database.orm.delete(upload).where(eq(upload.sha256, 'b'.repeat(64)))

  await put('one more')
  const id = await started()
  await face.database.orm
    .insert(attachment)
    .values({ sessionId: id, sha256: 'c'.repeat(64), bytes: attachmentLimits.sessionBytes, mime: 'text/plain', data })
  const attachments = [{ sha256: sha256('one more'), filename: 'x' }]
  expect((await call('sendMessage', { sessionId: id, prompt: 'Look', attachments })).status).toBe(400)
  expect(await held(id)).toHaveLength(1)
  await face.database.orm.delete(session).where(eq(session.id, id))
  expect(await held(id)).toEqual([])
})
