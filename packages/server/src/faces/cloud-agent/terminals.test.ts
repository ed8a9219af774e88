/** Terminals from the public ports into a sandbox: what they do, what they cost nobody else, and who may not have them. */
import { setTimeout as delay } from 'node:timers/promises'
import { newPtyId, newSessionId, type SessionId, terminalLimits } from '@corral/protocol'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { storedScopes } from '../../identity/scopes.ts'
import { checkBubblewrap } from '../../sandboxes/bubblewrapCheck.ts'
import { statementsOf } from '../../testing/statements.ts'
import { type TerminalWorld, testTerminals } from './testTerminals.ts'

const check = await checkBubblewrap()
if (!check.works) console.warn(`terminals are not tested: ${check.reason} ${check.remedy}`)

describe.runIf(check.works)('a terminal', () => {
  let world: TerminalWorld
  let session: SessionId
  let sandbox: Awaited<ReturnType<TerminalWorld['startSandbox']>>
  beforeAll(async () => {
    world = await testTerminals()
    session = await world.addSession()
    sandbox = await world.startSandbox(session)
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose]())
  afterEach(async () => {
    for (const { ptyId } of await list().catch(() => [])) await close(ptyId)
  })

  const list = () =>
    world.server().terminals.list({ userId: world.operator.userId, botId: null, internal: false }, session)
  const close = (ptyId: string) => world.trpc('closeTerminal', { sessionId: session, ptyId })

  test('is a shell of the sandbox’s user, in the workspace, with the session’s environment', async () => {
    const ptyId = await world.open(session, { cols: 100, rows: 30 })
    const viewer = await world.watch(session, ptyId)
    viewer.type('echo "$(id -u) $PWD $HOME $SESSION_ID $FROM_THE_SERVER $(stty size) end"\n')
    await viewer.until(new RegExp(`1000 /workspace/app /home/own ${session} yes 30 100 end`))
    expect(viewer.news).toEqual([{ type: 'attached', cols: 100, rows: 30 }])
    expect((await world.trpc('resizeTerminal', { sessionId: session, ptyId, cols: 90, rows: 20 })).status).toBe(200)
    await vi.waitFor(async () => {
      viewer.type('stty size\n')
      await delay(50)
      expect(viewer.seen.text).toMatch(/20 90/)
    }, 8_000)
    viewer.type('sleep 600\n')
    await viewer.until(/sleep 600/)
    viewer.type('\u0003')
    viewer.type('exit 7\n')
    expect(await viewer.closed).toBe(1000)
    expect(viewer.news.at(-1)).toEqual({ type: 'ended', reason: 'exited', exitCode: 7 })
    const { status } = await world.trpc('resizeTerminal', { sessionId: session, ptyId, cols: 90, rows: 20 })
    expect(status).toBe(404)
  })

  test('waits for a viewer who stalls at 50 MB, while the link and its memory stay as they were', async () => {
    const ptyId = await world.open(session)
    const viewer = await world.watch(session, ptyId)
    viewer.seen.stalled = true
    viewer.type("head -c 50000000 /dev/zero | tr '\\0' x; echo END\n")
    await vi.waitFor(() => expect(viewer.seen.unacked).toBe(terminalLimits.windowBytes), 20_000)
    const before = process.memoryUsage().rss
    const link = world.server().links.of(sandbox.sandboxId)
    for (let i = 0; i < 10; i++) {
      const since = performance.now()
      await link?.call('session.diff', { session }, 5_000)
      expect(performance.now() - since).toBeLessThan(2_000)
    }
    expect(viewer.seen.unacked).toBe(terminalLimits.windowBytes)
    viewer.goOn()
    await viewer.until(/xEND/, 60_000)
    expect(viewer.seen.bytes).toBeGreaterThan(50_000_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
    await close(ptyId)
    expect(await viewer.closed).toBe(4410)
  }, 90_000)

  test('is one of four at most, and is listed', async () => {
    const four = await Promise.all([1, 2, 3, 4].map(() => world.open(session)))
    const fifth = await world.trpc('createTerminal', { sessionId: session })
    expect([fifth.status, fifth.reason]).toEqual([429, 'too_many_terminals'])
    const watched = await world.watch(session, four[0] ?? newPtyId())
    const answer = await list()
    expect(answer.filter(({ attached }) => attached)).toEqual([{ ptyId: four[0], cols: 80, rows: 24, attached: true }])
    expect(answer).toHaveLength(4)
    for (const ptyId of four) expect((await close(ptyId)).status).toBe(200)
    expect(await watched.closed).toBe(4410)
    expect((await close(newPtyId())).status).toBe(200)
  })

  describe('is not opened by', () => {
    const refusedWith = (status: number, error: string) => ({ status, body: { error } })

    test('a ticket that was used, is for another terminal or session, or for a stream', async () => {
      const [ptyId, other] = [await world.open(session), await world.open(session)]
      const ticket = await world.ticket(session, ptyId)
      const opened = await world.dial({ cloudAgentSessionId: session, ptyId, ticket })
      expect('status' in opened).toBe(false)
      const of = (id: SessionId, pty: string, withTicket: string) =>
        world.dial({ cloudAgentSessionId: id, ptyId: pty, ticket: withTicket })
      expect(await of(session, ptyId, ticket)).toMatchObject(refusedWith(401, 'ticket_refused'))
      const fresh = await world.ticket(session, ptyId)
      expect(await of(session, other, fresh)).toMatchObject(refusedWith(403, 'ticket_mismatch'))
      expect(await of(newSessionId(), ptyId, fresh)).toMatchObject(refusedWith(403, 'ticket_mismatch'))
      const forStream = await world.call('/api/cloud-agent/sessions/stream-ticket', { cloudAgentSessionId: session })
      expect(await of(session, ptyId, forStream.body.ticket)).toMatchObject(refusedWith(403, 'ticket_mismatch'))
      const onStream = await world.dial({ cloudAgentSessionId: session, ticket: fresh }, '/stream')
      expect(onStream).toMatchObject(refusedWith(403, 'ticket_mismatch'))
      // None of these has used it up.
      expect('status' in (await of(session, ptyId, fresh))).toBe(false)
      await Promise.all([close(ptyId), close(other)])
    })

    test('a ticket for a terminal that is not there, and that ticket stays good', async () => {
      const ptyId = newPtyId()
      const refused = await world.dial({
        cloudAgentSessionId: session,
        ptyId,
        ticket: await world.ticket(session, ptyId),
      })
      expect(refused).toMatchObject(refusedWith(404, 'terminal_not_found'))
    })

    test('a stranger, to whom it looks like what never was', async () => {
      const stranger = await world.newUser()
      const ptyId = await world.open(session)
      const issue = (cloudAgentSessionId: SessionId) =>
        world.identity.tickets.issue({
          ...{ purpose: 'terminal', ptyId, userId: stranger.userId, organizationId: null, cloudAgentSessionId },
          ...{ kiloSessionId: 'ses_0000000000000000000000000A', credential: { kind: 'token' } },
        })
      const ask = async (id: SessionId) => {
        const { ticket } = await issue(id)
        return statementsOf(() => world.dial({ cloudAgentSessionId: id, ptyId, ticket }))
      }
      const none = await ask(newSessionId())
      expect(none.result).toMatchObject(refusedWith(404, 'session_not_found'))
      expect(await ask(session)).toEqual(none)
      await close(ptyId)
    })

    test('what is malformed, or a key that may only read', async () => {
      const query = { cloudAgentSessionId: session, ptyId: 'pty_1', ticket: 'x' }
      for (const bad of [{ ...query, ptyId: 'a b' }, { ...query, cols: '80' }, { ticket: 'x' }]) {
        expect(await world.dial(bad)).toMatchObject({ status: 400 })
      }
      const path = '/api/cloud-agent/sessions/stream-ticket'
      const { userId } = world.operator
      const { id, key } = await world.auth.api.createApiKey({ body: { userId } })
      const reading = [id, storedScopes(['sessions:read'])]
      await world.database.pool.query('update apikey set permissions = $2 where id = $1', reading)
      const forTerminal = { cloudAgentSessionId: session, purpose: 'terminal', ptyId: 'pty_1' }
      expect(await world.call(path, forTerminal, key)).toMatchObject({ status: 403, reason: 'insufficient_scope' })
      expect(await world.call(path, { cloudAgentSessionId: session }, key)).toMatchObject({ status: 200 })
      for (const bad of [{ purpose: 'terminal' }, { ptyId: 'x' }, { purpose: 'terminal', ptyId: 'a b' }]) {
        expect(await world.call(path, { cloudAgentSessionId: session, ...bad })).toMatchObject({ status: 400 })
      }
    })
  })

  test('a frame of text that says nothing known ends the socket, and the terminal lives on', async () => {
    const ptyId = await world.open(session)
    for (const text of ['hello', '{"type":"ack","bytes":-1}', '{"type":"resize","cols":1}']) {
      const viewer = await world.watch(session, ptyId)
      viewer.socket.send(text)
      expect(await viewer.closed).toBe(1008)
    }
    // More than was ever sent is the supervisor's to refuse.
    const liar = await world.watch(session, ptyId)
    liar.socket.send('{"type":"ack","bytes":200000}')
    await liar.closed
    const viewer = await world.watch(session, ptyId)
    viewer.type('echo alive-$((1 + 1))\n')
    await viewer.until(/alive-2/)
    await close(ptyId)
  })

  test('outlives its viewer and the server, and shows what came meanwhile; the last viewer has it', async () => {
    const ptyId = await world.open(session)
    const first = await world.watch(session, ptyId)
    first.type('echo before-$((1 + 1)); sleep 1; echo after-$((1 + 1))\n')
    await first.until(/before-2/)
    await world.restartServer()
    expect(await first.closed).toBe(1012)
    // Until its supervisor has dialed, nobody says that it is gone.
    const early = await world.trpc('resizeTerminal', { sessionId: session, ptyId, cols: 90, rows: 20 })
    expect([200, 503]).toContain(early.status)
    await vi.waitFor(sandbox.isLinked, 15_000)
    const second = await world.watch(session, ptyId)
    await second.until(/before-2[\s\S]*after-2/)
    const third = await world.watch(session, ptyId)
    expect(await second.closed).toBe(4409)
    await third.until(/after-2/)
    expect(world.server().terminals.isUsed(sandbox.sandboxId)).toBe(true)
    await close(ptyId)
    await third.closed
    await vi.waitFor(() => expect(world.server().terminals.isUsed(sandbox.sandboxId)).toBe(false))
  }, 40_000)

  test('closes within a second or so when its viewer’s membership ends', async () => {
    const { userId, apiKey } = await world.newUser()
    const { organizationId } = world
    await world.auth.api.addMember({ body: { userId, organizationId, role: 'member' } })
    const own = await world.addSession(apiKey, organizationId)
    await world.startSandbox(own)
    const { data } = await world.trpc('createTerminal', { sessionId: own }, apiKey)
    const viewer = await world.watch(own, data.ptyId, apiKey)
    const since = performance.now()
    await world.database.pool.query('delete from member where user_id = $1', [userId])
    expect(await viewer.closed).toBe(4403)
    expect(performance.now() - since).toBeLessThan(2_500)
    expect((await world.trpc('createTerminal', { sessionId: own }, apiKey)).reason).toBe('session_not_found')
  }, 40_000)

  test('ends with its supervisor, which tells nobody, and the session takes a new one', async () => {
    const ptyId = await world.open(session)
    const viewer = await world.watch(session, ptyId)
    viewer.type('kill -9 $(sed -n "s/^PPid:\\t//p" /proc/$PPID/status)\n')
    expect(await viewer.closed).toBe(1013)
    await vi.waitFor(
      async () => expect((await world.trpc('createTerminal', { sessionId: session })).status).toBe(200),
      { timeout: 20_000, interval: 200 },
    )
    const again = await world.dial({ cloudAgentSessionId: session, ptyId, ticket: await world.ticket(session, ptyId) })
    expect(again).toMatchObject({ status: 404, body: { error: 'terminal_not_found' } })
  }, 40_000)

  test('ends when its session is deleted, or its sandbox is stopped', async () => {
    const other = await world.addSession()
    await world.startSandbox(other)
    const deleted = await world.watch(other, await world.open(other))
    expect((await world.trpc('deleteSession', { sessionId: other })).status).toBe(200)
    expect(await deleted.closed).toBe(4404)
    const viewer = await world.watch(session, await world.open(session))
    await sandbox.stop()
    expect(await viewer.closed).toBe(4410)
    expect(viewer.news.at(-1)).toMatchObject({ type: 'ended', reason: 'stopped' })
    const answer = await world.trpc('createTerminal', { sessionId: session })
    // For a while nobody can tell it from one that dials again.
    expect(answer.reason).toMatch(/^(sandbox_not_running|unavailable)$/)
  }, 40_000)
})
