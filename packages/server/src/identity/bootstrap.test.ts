import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { bootstrap } from './bootstrap.ts'
import { testIdentity } from './testIdentity.ts'

describe('the first start', async () => {
  const world = await testIdentity()
  const { auth, identity, operator, organizationId, database } = world
  afterAll(() => world[Symbol.asyncDispose]())
  const who = async (key: string) =>
    (await identity.authenticate(new Headers({ authorization: `Bearer ${key}` }))).userId
  const counts = async () => {
    const { rows } = await database.pool.query(`
      select (select count(*) from "user") as users, (select count(*) from organization) as organizations,
             (select count(*) from member) as members, (select count(*) from apikey) as keys`)
    return rows[0]
  }

  test('makes one user who owns one organization, and one key', async () => {
    expect(await counts()).toEqual({ users: 1, organizations: 1, members: 1, keys: 1 })
    expect(await who(operator.apiKey)).toBe(operator.userId)
    const { rows } = await database.pool.query('select user_id, organization_id, role from member')
    expect(rows).toEqual([{ user_id: operator.userId, organization_id: organizationId, role: 'owner' }])
  })

  test('makes what better-auth itself can read', async () => {
    const { valid, key } = await auth.api.verifyApiKey({ body: { key: operator.apiKey } })
    expect(valid).toBe(true)
    expect(key?.referenceId).toBe(operator.userId)
  })

  test('keeps no key, only its hash', async () => {
    const { rows } = await database.pool.query('select apikey::text as row from apikey')
    expect(rows).toHaveLength(1)
    expect(rows[0].row).not.toContain(operator.apiKey.slice(0, 12))
  })

  test('is not repeated by later starts, also when the operator has another name by then', async () => {
    await database.pool.query(`update "user" set email = 'me@example.com'`)
    await database.pool.query(`update organization set slug = 'ours'`)
    const again = await bootstrap({ auth, configuredKey: operator.apiKey })
    expect(again).toEqual({ userId: operator.userId, organizationId })
    expect(await counts()).toEqual({ users: 1, organizations: 1, members: 1, keys: 1 })
  })

  test('a configured key works from the next start on, beside those before it', async () => {
    const first = 'a-configured-key-0001'
    const second = 'a-configured-key-0002'
    expect(await bootstrap({ auth, configuredKey: first })).toMatchObject({ apiKey: first })
    expect(await bootstrap({ auth, configuredKey: first })).not.toHaveProperty('apiKey')
    expect(await bootstrap({ auth, configuredKey: second })).toMatchObject({ apiKey: second })
    for (const key of [operator.apiKey, first, second]) expect(await who(key)).toBe(operator.userId)
    expect(await counts()).toMatchObject({ users: 1, keys: 3 })
  })

  test('a configured key that was revoked is not brought back by the next start', async () => {
    const configuredKey = 'a-configured-key-0003'
    await bootstrap({ auth, configuredKey })
    const caller = await identity.authenticate(new Headers({ authorization: `Bearer ${configuredKey}` }))
    const { id } = z.object({ id: z.string() }).parse(caller.proof.credential)
    await identity.administration.keys.revoke(caller, id)
    expect(await bootstrap({ auth, configuredKey })).not.toHaveProperty('apiKey')
    await expect(who(configuredKey)).rejects.toThrow('not valid')
  })

  test.each(['short', 'with a space in it somewhere', 'looks.like.a-json-web-token'])(
    'refuses "%s" as a configured key',
    async (configuredKey) => {
      await expect(bootstrap({ auth, configuredKey })).rejects.toThrow('at least 16 letters')
    },
  )
})
