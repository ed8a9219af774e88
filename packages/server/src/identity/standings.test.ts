import { afterAll, describe, expect, test } from 'vitest'
import type { Credential } from './caller.ts'
import { createStandings } from './standings.ts'
import { quietLogger, testIdentity } from './testIdentity.ts'

const world = await testIdentity()
const { pool } = world.database
afterAll(() => world[Symbol.asyncDispose]())

const token: Credential = { kind: 'token' }
const soon = { timeout: 5_000 }

/** Somebody who holds, and how often they were told that they do not any more. */
async function watched(standings: ReturnType<typeof createStandings>) {
  const { userId } = await world.newUser()
  let told = 0
  const forget = standings.watch({ userId, organizationId: null, credential: token }, () => told++)
  const remove = () => pool.query('delete from "user" where id = $1', [userId])
  return { userId, told: () => told, forget, remove }
}

describe('with a minute between two looks', () => {
  const standings = createStandings({ pool, intervalMs: 60_000, logger: quietLogger })

  test('what was taken back here is told at once, to those whom it concerns, and once', async () => {
    const [one, other] = [await watched(standings), await watched(standings)]
    await one.remove()
    for (let i = 0; i < 20; i++) standings.changed()
    await expect.poll(one.told, soon).toBe(1)
    standings.changed()
    await other.remove()
    standings.changed()
    await expect.poll(other.told, soon).toBe(1)
    expect(one.told()).toBe(1)
  })

  test('a change that comes while a look is under way is not missed', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => watched(standings)))
    await Promise.all(
      all.map(async ({ remove }) => {
        await remove()
        standings.changed()
      }),
    )
    await expect.poll(() => all.map(({ told }) => told()), soon).toEqual(all.map(() => 1))
  })

  test('who has gone is not told', async () => {
    const [gone, there] = [await watched(standings), await watched(standings)]
    gone.forget()
    await gone.remove()
    await there.remove()
    standings.changed()
    await expect.poll(there.told, soon).toBe(1)
    expect(gone.told()).toBe(0)
  })
})

test('a database that is away for a while ends nobody, and is asked again', async () => {
  let isAway = true
  let asked = 0
  const failing = new Proxy(pool, {
    get(target, name) {
      if (name !== 'query') return Reflect.get(target, name, target)
      asked++
      return isAway ? () => Promise.reject(new Error('Connection terminated')) : pool.query.bind(pool)
    },
  })
  const standings = createStandings({ pool: failing, intervalMs: 10, logger: quietLogger })
  const { told, remove } = await watched(standings)
  await remove()
  await expect.poll(() => asked, soon).toBeGreaterThan(3)
  expect(told()).toBe(0)
  isAway = false
  await expect.poll(told, soon).toBe(1)
})

test('a sign-in holds until it ends, for its own user alone', async () => {
  const standings = createStandings({ pool, intervalMs: 60_000, logger: quietLogger })
  const { internalAdapter } = await world.auth.$context
  const { userId } = await world.newUser()
  const { id, token: secret } = await internalAdapter.createSession(userId)
  const of = (who: string) => ({ userId: who, organizationId: null, credential: { kind: 'sign-in', id } }) as const
  expect(await standings.holds(of(userId))).toBe(true)
  expect(await standings.holds(of(world.operator.userId))).toBe(false)
  await internalAdapter.deleteSession(secret)
  expect(await standings.holds(of(userId))).toBe(false)
})
