import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, test, vi } from 'vitest'
import { drainGateway, gatewayHealth } from './control.ts'
import { bearer, chat, forward, type TestGateway, type TestSession, testGateway } from './testGateway.ts'

const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 10_000, interval: 20 })

const ask = (gateway: TestGateway, session: TestSession, play: string) =>
  gateway.call('/v1/chat/completions', { method: 'POST', headers: bearer(session.token), body: chat(play) })

const rows = async (gateway: TestGateway, session: TestSession) => {
  const { rows } = await gateway.database.pool.query('select * from model_call where session_id = $1', [
    session.id.slice(6),
  ])
  return rows
}

describe('a gateway that is replaced', () => {
  test('ends its streams while the new one serves, and then itself', async () => {
    await using gateway = await testGateway()
    const session = await gateway.session()
    const old = await gatewayHealth(gateway.settings.controlSocket)
    const streaming = ask(gateway, session, 'say "before" | gate replaced | say "after"')
    await gateway.scripted.waitAtGate('replaced', 5_000)

    await gateway.start({ version: 'next' })
    expect(await gatewayHealth(gateway.settings.controlSocket)).toMatchObject({
      ...{ version: 'next', state: 'serving', ownsDoor: true, activeCalls: 0 },
    })
    expect(old).toMatchObject({ version: 'test', state: 'serving', ownsDoor: true })
    expect(await text((await ask(gateway, session, 'say "unharmed"')).body)).toContain('unharmed')

    await gateway.scripted.release('replaced')
    const answer = await text((await streaming).body)
    expect(answer).toContain('after')
    expect(answer).toContain('[DONE]')
    await until(() => expect(gateway.logged()).toContain('the gateway has ended'))
    await until(async () => expect((await rows(gateway, session)).map(({ status }) => status)).toEqual([200, 200]))
  })

  test('leaves no call unanswered, however often it happens', async () => {
    await using gateway = await testGateway()
    const session = await gateway.session()
    const answers: number[] = []
    let done = false
    const callers = Array.from({ length: 8 }, async () => {
      while (!done) {
        const answer = await gateway.call('/v1/models', { headers: bearer(session.token) })
        await answer.body.dump()
        answers.push(answer.statusCode)
      }
    })
    for (let replaced = 1; replaced <= 5; replaced++) {
      await gateway.start()
      await until(() => expect(answers.length).toBeGreaterThan(replaced * 20))
    }
    done = true
    await Promise.all(callers)
    expect(new Set(answers)).toEqual(new Set([200]))
  })

  test('leaves its sockets to the new one, and takes its own with it', async () => {
    await using gateway = await testGateway()
    const next = await gateway.start()
    await until(() => expect(gateway.logged()).toContain('the gateway has ended'))
    expect(await gatewayHealth(gateway.settings.controlSocket)).toMatchObject({ ownsDoor: true })
    await drainGateway(gateway.settings.controlSocket)
    await next.ended
    expect(await gatewayHealth(gateway.settings.controlSocket)).toBeNull()
    expect(await readdir(`${gateway.folder}/doors`)).toEqual([])
  })
})

test('a gateway that is ended at once resets its streams', async () => {
  await using gateway = await testGateway()
  const session = await gateway.session()
  const answer = await ask(gateway, session, 'say "begun" | hang')
  const broken = expect(text(answer.body)).rejects.toThrow()
  await gateway.close()
  await broken
  expect(await rows(gateway, session)).toMatchObject([{ ended_at: expect.any(Date), status: 200 }])
})

/** A gateway with a way to its database that can be cut. */
async function gatewayWithWay() {
  const gateway = await testGateway({ timeouts: { databaseMs: 500, unknownTokenMs: 1_500 } })
  const { searchParams, pathname, username, password } = new URL(gateway.database.url)
  const way = await forward({ path: `${searchParams.get('host')}/.s.PGSQL.${searchParams.get('port')}` })
  const databaseUrl = `postgres://${username}:${password}@127.0.0.1:${way.port}${pathname}?sslmode=disable`
  await gateway.start({ databaseUrl })
  return {
    gateway,
    way,
    async [Symbol.asyncDispose]() {
      await way.close()
      await gateway[Symbol.asyncDispose]()
    },
  }
}

describe.each(['refused', 'silent'] as const)('while the database is away (%s)', (how) => {
  test('known tokens work, streams go on, and what they used is counted later', async () => {
    await using world = await gatewayWithWay()
    const { gateway, way } = world
    const session = await gateway.session({ running: true })
    const streaming = ask(gateway, session, 'say "before" | gate away | say "after"')
    await gateway.scripted.waitAtGate('away', 5_000)

    await way.cut(how)
    expect(await text((await ask(gateway, session, 'say "meanwhile"')).body)).toContain('meanwhile')
    await gateway.scripted.release('away')
    expect(await text((await streaming).body)).toContain('after')
    await until(async () => expect(await readdir(gateway.settings.stateFolder)).not.toEqual([]))
    expect(await rows(gateway, session)).toMatchObject([{ ended_at: null }])

    await way.mend()
    await until(async () => {
      expect((await rows(gateway, session)).toSorted((a, b) => a.started_at - b.started_at)).toMatchObject([
        {
          execution_id: session.running,
          status: 200,
          ended_at: expect.any(Date),
          completion_tokens: expect.any(Number),
        },
        // Which execution ran then, nobody could know.
        { execution_id: null, status: 200, ended_at: expect.any(Date), completion_tokens: expect.any(Number) },
      ])
      expect(await readdir(gateway.settings.stateFolder)).toEqual([])
    })
  })

  test('a token that was never seen waits for it, and is served when it is back', async () => {
    await using world = await gatewayWithWay()
    const { gateway, way } = world
    const session = await gateway.session()
    await way.cut(how)
    const waiting = ask(gateway, session, 'say "late"')
    await until(async () =>
      expect(await gatewayHealth(gateway.settings.controlSocket)).toMatchObject({ activeCalls: 1 }),
    )
    await way.mend()
    expect(await text((await waiting).body)).toContain('late')
  })

  test('a token that was never seen is refused when that takes too long', async () => {
    await using world = await gatewayWithWay()
    const { gateway, way } = world
    const session = await gateway.session()
    await way.cut(how)
    const answer = await ask(gateway, session, 'say "never"')
    expect([answer.statusCode, await text(answer.body)]).toEqual([503, expect.stringContaining('the database is away')])
  })
})

test('usage that a gateway could not write before it ended is written by the next', async () => {
  await using world = await gatewayWithWay()
  const { gateway, way } = world
  const session = await gateway.session()
  await (await gateway.call('/v1/models', { headers: bearer(session.token) })).body.dump()
  await way.cut('refused')
  await text((await ask(gateway, session, 'say "unseen"')).body)
  await gateway.close()
  expect(await rows(gateway, session)).toEqual([])
  await gateway.start()
  await until(async () => expect(await rows(gateway, session)).toMatchObject([{ status: 200 }]))
  await until(async () => expect(await readdir(gateway.settings.stateFolder)).toEqual([]))
})

test('sandboxes of any user reach the door, and nobody else the control', async () => {
  await using gateway = await testGateway()
  const mode = async (path: string) => (await stat(path)).mode & 0o777
  expect(await mode(gateway.settings.socket)).toBe(0o666)
  expect(await mode(gateway.settings.controlSocket)).toBe(0o600)
})

test('a crowd that says nothing keeps no call out, and is soon gone', async () => {
  await using gateway = await testGateway()
  const session = await gateway.session()
  const crowd: Socket[] = []
  const gather = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect(gateway.settings.socket).on('error', () => {})
        crowd.push(socket.resume())
        await once(socket, 'connect')
      }),
    )
  for (let gathered = 0; gathered < 2; gathered++) {
    await gather(300)
    const answer = await gateway.call('/v1/models', { headers: bearer(session.token) })
    await answer.body.dump()
    expect(answer.statusCode).toBe(200)
  }
  await until(() => expect(crowd.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(256))
  for (const socket of crowd) socket.destroy()
})

test('a path that nobody serves is not there', async () => {
  await using gateway = await testGateway()
  const session = await gateway.session()
  for (const path of ['/', '/health', '/drain', '/v1', '/v1/embeddings', '/api']) {
    const answer = await gateway.call(path, { method: 'POST', headers: bearer(session.token) })
    expect([path, answer.statusCode]).toEqual([path, 404])
    await answer.body.dump()
  }
})
