import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { connect } from '../../database/connect.ts'
import { createDatabase } from '../../database/transaction.ts'
import { identityOn, signedToken } from '../../identity/testIdentity.ts'
import { bearer, expectRefusal, preparation, serveFace, testFace } from './testFace.ts'

const logged: string[] = []
const logger = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) })
const face = await testFace({ logger })
afterAll(() => face[Symbol.asyncDispose]())

test('a fault of ours is told by a reference that the log knows, and by nothing else', async () => {
  await face.database.pool.query('alter table workspace rename to workspace_gone')
  for (const call of [
    () => face.mutate('start', preparation, bearer(face.operator.apiKey)),
    () =>
      face.request('/api/cloud-agent/sessions/prepare', {
        method: 'POST',
        headers: bearer(face.operator.apiKey),
        body: JSON.stringify(preparation),
      }),
  ]) {
    logged.length = 0
    const answer = await call()
    expectRefusal(answer, 'internal')
    const reference = /Reference: ([0-9a-f]+)\.$/.exec(answer.refusal?.sentence ?? '')?.[1]
    expect(logged.map((line) => JSON.parse(line))).toMatchObject([{ reference, err: { message: expect.any(String) } }])
    expect(logged[0]).toContain('relation')
    expect(answer.text).not.toMatch(/relation|workspace|insert|\.ts|stack/i)
  }
  await face.database.pool.query('alter table workspace_gone rename to workspace')
})

test('while the database is away, calls are unavailable and health is not', async () => {
  const database = createDatabase({ pool: connect('postgresql://nobody@localhost/none?host=/nowhere'), term: () => 1 })
  const identity = identityOn(database)
  await using away = await serveFace({ database, identity, logger })
  expectRefusal(await away.mutate('start', preparation, bearer('a-key')), 'unavailable')
  expectRefusal(await away.query('listSessions', {}, bearer(await signedToken('somebody'))), 'unavailable')
  expectRefusal(await away.request('/api/session/ses_1/export', { headers: bearer('a-key') }), 'unavailable')
  expect((await away.request('/health')).json).toMatchObject({ status: 'ok' })
})

test('a server that is not the active one is unavailable for what writes', async () => {
  const database = createDatabase({ pool: face.database.pool, term: () => null })
  const identity = identityOn(database)
  await using standBy = await serveFace({ database, identity, logger })
  expectRefusal(await standBy.mutate('start', preparation, bearer(face.operator.apiKey)), 'unavailable')
})
