import { randomBytes } from 'node:crypto'
import type { SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { afterAll, expect, test } from 'vitest'
import { sessionSecret } from '../../database/schema.ts'
import { createSealing, SealBroken } from '../../secrets/sealing.ts'
import { addSession, openLog } from '../../testing/log.ts'
import { testDatabase } from '../../testing/postgres.ts'
import { createSealedConfigurations, type SecretConfiguration } from './sealedConfiguration.ts'

const opened = await testDatabase()
const { database, log } = await openLog(opened.pool)
const key = randomBytes(32)
const sealed = createSealedConfigurations({ sealing: createSealing({ key }), wrappedKeyBytes: 3 })
afterAll(async () => {
  await log.close()
  await opened[Symbol.asyncDispose]()
})

const nothing: SecretConfiguration = { envVars: {}, setupCommands: [], mcpServers: {}, encryptedSecrets: {} }
const everything: SecretConfiguration = {
  envVars: { API_URL: 'canary-1' },
  setupCommands: ['echo canary-2'],
  githubToken: 'canary-3',
  gitToken: 'canary-4',
  mcpServers: { tools: { type: 'streamable-http', url: 'https://canary-5.example', headers: { 'x-key': 'canary-6' } } },
  callbackTarget: { type: 'http', url: 'https://example.com/canary-7', headers: { authorization: 'canary-8' } },
  encryptedSecrets: {
    KEY: { encryptedData: 'AAAA', encryptedDEK: 'BBBB', algorithm: 'rsa-aes-256-gcm', version: 1 },
  },
}
const store = (id: SessionId, configuration: SecretConfiguration) =>
  database.transaction((tx) => sealed.store(tx, id, configuration))
const rowOf = async (id: SessionId) =>
  (await database.orm.select().from(sessionSecret).where(eq(sessionSecret.sessionId, id)))[0]

test('what was stored comes back whole, and its row shows none of it but the envelopes', async () => {
  const id = await addSession(database)
  await store(id, everything)
  expect(await sealed.open(database.orm, id)).toEqual(everything)
  const row = await rowOf(id)
  expect(row?.envelopes).toEqual(everything.encryptedSecrets)
  expect(row?.sealed.includes('canary')).toBe(false)
})

test('storing again replaces all of it; with nothing left there is no row', async () => {
  const id = await addSession(database)
  await store(id, everything)
  await store(id, { ...nothing, envVars: { OTHER: 'value' } })
  expect(await sealed.open(database.orm, id)).toEqual({ ...nothing, envVars: { OTHER: 'value' } })
  await store(id, nothing)
  expect(await rowOf(id)).toBeUndefined()
  expect(await sealed.open(database.orm, id)).toEqual(nothing)
})

test('an envelope that was made for another key is refused by its name, and nothing is stored', async () => {
  const id = await addSession(database)
  const KEY = { encryptedData: 'AAAA', encryptedDEK: 'AAAAAAAA', algorithm: 'rsa-aes-256-gcm', version: 1 } as const
  await expect(store(id, { ...nothing, encryptedSecrets: { KEY } })).rejects.toMatchObject({
    reason: 'invalid_input',
    details: [{ path: 'encryptedSecrets.KEY.encryptedDEK', message: expect.stringContaining('3 bytes') }],
  })
  expect(await rowOf(id)).toBeUndefined()
})

test("another session's row does not open as one's own", async () => {
  const [one, other] = [await addSession(database), await addSession(database)]
  await store(one, everything)
  await store(other, { ...nothing, gitToken: 'of the other' })
  const row = await rowOf(one)
  await database.orm.update(sessionSecret).set({ sealed: row?.sealed }).where(eq(sessionSecret.sessionId, other))
  await expect(sealed.open(database.orm, other)).rejects.toThrow(SealBroken)
})
