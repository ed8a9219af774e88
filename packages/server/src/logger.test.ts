import { sql } from 'drizzle-orm'
import { afterAll, expect, test } from 'vitest'
import { createDatabase } from './database/transaction.ts'
import { createLogger } from './logger.ts'
import { testDatabase } from './testing/postgres.ts'

const opened = await testDatabase()
afterAll(() => opened[Symbol.asyncDispose]())

const secret = 'hunter2-canary'

function lines() {
  const written: string[] = []
  return { written, logger: createLogger('trace', { write: (line) => void written.push(line) }) }
}

test('an error of the database is logged with its query and cause, and without the values of either', async () => {
  const { written, logger } = lines()
  const { orm } = createDatabase({ pool: opened.pool, term: () => 1 })
  const values = sql`insert into "user" (id, name, email, email_verified) values (${secret}, ${null}, ${secret}, true)`
  const error = await orm.execute(values).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Error)
  logger.error({ error }, 'it failed')
  const [line = ''] = written
  expect(line).not.toContain(secret)
  expect(JSON.parse(line).error).toMatchObject({
    message: expect.stringContaining('insert into "user"'),
    stack: expect.stringContaining('logger.test.ts'),
    cause: { code: '23502', message: expect.stringContaining('not-null') },
  })
})

test.each(['token', 'ticket', 'apiKey', 'authorization', 'headers', 'environment'])(
  'a member called %s is removed, at the top and one level below',
  (name) => {
    const { written, logger } = lines()
    logger.info({ [name]: secret, request: { [name]: { value: secret } } }, 'a line')
    expect(written).toHaveLength(1)
    expect(written.join()).not.toContain(secret)
    expect(JSON.parse(written.join())).toMatchObject({ [name]: '[removed]', request: { [name]: '[removed]' } })
  },
)

test('an error keeps its own words, code and causes', () => {
  const { written, logger } = lines()
  const cause = Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' })
  logger.warn({ error: new Error('not reached', { cause }) }, 'a line')
  expect(JSON.parse(written.join()).error).toMatchObject({
    type: 'Error',
    message: 'not reached',
    stack: expect.stringMatching(/^Error: not reached\n {4}at /),
    cause: { code: 'EHOSTUNREACH', message: 'no route' },
  })
})
