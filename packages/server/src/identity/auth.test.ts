import { getAuthTables } from 'better-auth/db'
import { getTableColumns } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { afterAll, expect, test } from 'vitest'
import * as identityTables from '../database/identityTables.ts'
import { testIdentity } from './testIdentity.ts'

const world = await testIdentity()
afterAll(() => world[Symbol.asyncDispose]())

const wanted = getAuthTables(world.auth.options)
const { authSession, ...rest } = identityTables
const tables: Record<string, PgTable> = { ...rest, session: authSession }

test('there is a table for each that better-auth asks for, and no other', () => {
  expect(Object.keys(tables).sort()).toEqual(Object.keys(wanted).sort())
})

test.each(Object.entries(wanted))('%s has the fields that better-auth asks for, and no other', (name, { fields }) => {
  const table = tables[name]
  if (!table) throw new Error(`there is no table ${name}`)
  const columns: Record<string, { dataType: string; notNull: boolean; isUnique: boolean }> = getTableColumns(table)
  const asked = Object.entries(fields).map(([field, { type, required }]) => [field, type, required])
  const given = Object.entries(columns)
    .filter(([field]) => field !== 'id')
    .map(([field, column]) => [field, column.dataType, column.notNull])
  expect(given.sort()).toEqual(asked.sort())

  for (const [field, { unique }] of Object.entries(fields)) {
    if (unique) expect(columns[field]?.isUnique, `${name}.${field} is unique`).toBe(true)
  }
  const references = Object.values(fields).filter((field) => field.references).length
  expect(getTableConfig(table).foreignKeys).toHaveLength(references)
})
