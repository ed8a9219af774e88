import { afterAll, describe, expect, test } from 'vitest'
import { testDatabase } from './postgres.ts'

describe('a database for tests', async () => {
  const opened = await Promise.all([testDatabase(), testDatabase(), testDatabase()])
  const [first, second] = opened
  afterAll(() => Promise.all(opened.map((database) => database[Symbol.asyncDispose]())))

  test('has the current schema and no rows', async () => {
    expect((await first.pool.query('select count(*) from session')).rows).toEqual([{ count: 0 }])
  })

  test('shares nothing with another one', async () => {
    await first.pool.query('create table mine ()')
    await expect(second.pool.query('select from mine')).rejects.toThrow('relation "mine" does not exist')
  })

  test('is gone when it was disposed of', async () => {
    const database = await testDatabase()
    await database[Symbol.asyncDispose]()
    const { rows } = await first.pool.query('select from pg_database where datname = $1', [
      new URL(database.url).pathname.slice(1),
    ])
    expect(rows).toEqual([])
  })
})
