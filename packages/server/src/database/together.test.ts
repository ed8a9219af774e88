import type { PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { together } from './together.ts'
import { createDatabase, type Database } from './transaction.ts'

let opened: TestDatabase
let database: Database
beforeAll(async () => {
  opened = await testDatabase()
  await opened.pool.query(`insert into server (term, until) values (1, 'infinity')`)
  await opened.pool.query('create table note (id integer primary key)')
  database = createDatabase({ pool: opened.pool, term: () => 1 })
})
afterAll(() => opened[Symbol.asyncDispose]())

const notes = async () => (await opened.pool.query('select id from note order by id')).rows.map(({ id }) => id)

describe('statements that go to the database together', () => {
  test('are run in the order in which they were sent', async () => {
    const ids = await database.transaction(async ({ client }) => {
      const [, , { rows }] = await together([
        client.query('insert into note values (1), (2)'),
        client.query('delete from note where id = 1'),
        client.query<{ id: number }>('select id from note'),
      ])
      return rows.map(({ id }) => id)
    })
    expect(ids).toEqual([2])
  })

  test('fail with what the first of them failed with, and leave nothing, also not of one that comes late', async () => {
    async function late(client: PoolClient) {
      await client.query('select 1').catch(() => undefined)
      await client.query('insert into note values (4)')
    }
    const failed = database.transaction(({ client }) =>
      together([
        client.query('insert into note values (3)'),
        client.query('insert into note values (2)'),
        client.query('select pg_sleep(0)'),
        late(client),
      ]),
    )
    await expect(failed).rejects.toMatchObject({ code: '23505' })
    expect(await notes()).toEqual([2])
  })

  test('locks that are sent with the beginning are had under the term that is checked, or not at all', async () => {
    const lock = (client: PoolClient) => client.query('select id from note where id = 2 for update')
    const held = await database.lockedTransaction(lock, async (_tx, { rowCount }) => rowCount)
    expect(held).toBe(1)
    const outdated = createDatabase({ pool: opened.pool, term: () => 2 })
    await expect(outdated.lockedTransaction(lock, async () => 'ran')).rejects.toMatchObject({ reason: 'unavailable' })
    const { rowCount } = await opened.pool.query('select id from note where id = 2 for update nowait')
    expect(rowCount).toBe(1)
  })
})
