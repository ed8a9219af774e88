/** The live list of sessions against the real server, over a network that is cut. */
import type { AgentSessionId, SessionRow } from '@corral/protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestCloudAgent, testCloudAgent } from '../../../server/src/testing/cloudAgent.ts'
import { createCorral } from '../corral.ts'
import { type BadNetwork, startProxy } from '../testing/proxy.ts'
import { liveSessions, type SessionsState } from './liveSessions.ts'
import { createSessionsSource, type SessionsSource } from './source.ts'

let server: TestCloudAgent
let network: BadNetwork
let user: { userId: string; apiKey: string }
beforeAll(async () => {
  server = await testCloudAgent()
  network = await startProxy(server.url)
})
beforeEach(async () => {
  user = await server.newUser()
})
afterAll(async () => {
  await network[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const impatient = {
  ...{ firstDelayMs: 5, longestDelayMs: 20, calmMs: 10_000, openMs: 2_000, silenceMs: 30_000, pongMs: 1_000 },
  ...{ listAgainMs: 10, staleMs: 200, rowAgainMs: 10 },
}
const sourceAt = (url: string, ids?: AgentSessionId[]) =>
  createSessionsSource({ url, headers: { authorization: `Bearer ${user.apiKey}` } }, ids)

const owner = () => ({ userId: user.userId, botId: null, internal: false })
const headers = () => ({ authorization: `Bearer ${user.apiKey}`, 'content-type': 'application/json' })

async function newSession(): Promise<AgentSessionId> {
  const input = { prompt: 'Say hello', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' }
  return (await server.sessions.start(owner(), input)).kiloSessionId
}
async function rename(id: AgentSessionId, title: string): Promise<void> {
  const body = JSON.stringify({ title, generated: false })
  const answer = await fetch(`${server.url}/api/session/${id}/title`, { method: 'POST', headers: headers(), body })
  expect(answer.status).toBe(200)
}
const remove = (id: AgentSessionId) =>
  fetch(`${server.url}/api/session/${id}`, { method: 'DELETE', headers: headers() })

/** Listens until it is left, and remembers every state. */
function listen(source: SessionsSource) {
  const live = liveSessions(source, impatient)
  const states: SessionsState[] = []
  const leave = live.subscribe((state) => states.push(state))
  const shows = (...titles: string[]) =>
    expect
      .poll(
        () =>
          live
            .state()
            .sessions.map(({ title }) => title)
            .sort(),
        { timeout: 10_000 },
      )
      .toEqual(titles.toSorted())
  return { live, states, leave, shows }
}
const byId = (rows: readonly SessionRow[]) => rows.toSorted((a, b) => (a.sessionId < b.sessionId ? -1 : 1))

describe('the live list of sessions', () => {
  test('has what there is, and then what becomes of it', async () => {
    const first = await newSession()
    await rename(first, 'One')
    const { live, leave, shows } = listen(sourceAt(server.url))
    expect(live.state()).toEqual({ sessions: [], isStale: true, ended: null })
    await shows('One')
    expect(live.state().isStale).toBe(false)
    const second = await newSession()
    await rename(second, 'Two')
    await shows('One', 'Two')
    await remove(first)
    await shows('Two')
    leave()
  })

  test('is narrowed to those that were named, and knows nothing of what is not the user’s', async () => {
    const [mine, other] = [await newSession(), await newSession()]
    await rename(mine, 'Mine')
    const stranger = await server.newUser()
    const foreign = await server.sessions.start(
      { userId: stranger.userId, botId: null, internal: false },
      { prompt: 'Hi', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' },
    )
    const { leave, shows } = listen(sourceAt(server.url, [mine, foreign.kiloSessionId]))
    await shows('Mine')
    await rename(other, 'Not asked for')
    await rename(mine, 'Still mine')
    await shows('Still mine')
    leave()
  })

  test('is connected while somebody listens, and only then', async () => {
    const session = await newSession()
    await rename(session, 'Before')
    const { live, states, leave, shows } = listen(sourceAt(server.url))
    const leaveToo = live.subscribe(() => {})
    await shows('Before')
    leave()
    await rename(session, 'While one of two listens')
    await expect.poll(() => live.state().sessions[0]?.title, { timeout: 5_000 }).toBe('While one of two listens')
    leaveToo()
    const heard = states.length
    await rename(session, 'While nobody listens')
    const again = live.subscribe(() => {})
    await expect.poll(() => live.state().sessions[0]?.title, { timeout: 5_000 }).toBe('While nobody listens')
    expect(states.length).toBe(heard)
    again()
  })

  test('ends for good when the key is refused', async () => {
    const { live, leave } = listen(
      createSessionsSource({ url: server.url, headers: { authorization: 'Bearer nothing' } }),
    )
    await expect.poll(() => live.state().ended?.httpStatus, { timeout: 5_000 }).toBe(401)
    leave()
  })

  test('keeps its picture, and says that it is old, while the list cannot be read', async () => {
    await rename(await newSession(), 'Seen')
    const source = sourceAt(network.url)
    let fails = false
    const { live, leave, shows } = listen({
      ...source,
      // The second page of a list does not come.
      list: async (signal) => (fails ? sourceAt('http://127.0.0.1:1').list(signal) : source.list(signal)),
    })
    await shows('Seen')
    fails = true
    network.cut()
    await expect.poll(() => live.state().isStale, { timeout: 5_000 }).toBe(true)
    expect(live.state().sessions.map(({ title }) => title)).toEqual(['Seen'])
    fails = false
    await expect.poll(() => live.state().isStale, { timeout: 5_000 }).toBe(false)
    leave()
  })

  test('ends equal to the server’s after 500 changes and 50 cuts, and nothing in it ever goes back', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, newSession))
    const { live, states, leave } = listen(sourceAt(network.url))
    const gone = new Set<AgentSessionId>()
    for (let round = 1; round <= 50; round += 1) {
      const some = ids.filter((id, i) => (i + round) % 2 === 0 && !gone.has(id)).slice(0, 10)
      await Promise.all(some.map((id) => server.retitle(id, `Title ${round}`)))
      const [last] = round % 10 === 0 ? some : []
      if (last) {
        gone.add(last)
        await remove(last)
        ids.push(await newSession(), await newSession())
      }
      network.cut()
    }
    const all = await sourceAt(server.url).list(AbortSignal.timeout(10_000))
    await expect.poll(() => byId(live.state().sessions), { timeout: 15_000 }).toEqual(byId(all))
    leave()
    const newest = new Map<AgentSessionId, number>()
    const missing = new Set<AgentSessionId>()
    for (const { sessions } of states) {
      for (const { sessionId, revision } of sessions) {
        expect(revision).toBeGreaterThanOrEqual(newest.get(sessionId) ?? 0)
        expect(missing.has(sessionId), 'what was deleted does not return').toBe(false)
        newest.set(sessionId, revision)
      }
      for (const id of gone) if (newest.has(id) && !sessions.some((row) => row.sessionId === id)) missing.add(id)
    }
    expect(missing.size).toBeGreaterThan(0)
  }, 60_000)

  test('is a member of the SDK', async () => {
    await rename(await newSession(), 'Through the entrance')
    const live = createCorral({ url: server.url, apiKey: user.apiKey }).sessions()
    const leave = live.subscribe(() => {})
    await expect.poll(() => live.state().sessions[0]?.title, { timeout: 5_000 }).toBe('Through the entrance')
    leave()
  })
})
