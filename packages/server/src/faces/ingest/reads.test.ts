/** What is read of pushed sessions: pages, rows, shares, titles; and their end. */
import { type AgentSessionId, newAgentSessionId, newMessageId } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { bearer, expectRefusal, testFace } from '../cloud-agent/testFace.ts'
import { createPusher, exportSchema, type Item, messageItem, sessionItem, succeeded, textItem } from './testIngest.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { auth, database, organizationId } = face
const { pool } = database
const alice = createPusher(face, face.operator.apiKey)
const stranger = await face.newUser()
const bob = createPusher(face, stranger.apiKey)

const meta = (more: object): Item => ({ type: 'kilo_meta', data: { platform: 'cli', ...more } })
const row = async (id: string) => succeeded(await alice.get(`/api/session/${id}`)) as Record<string, unknown>
const list = async (query = '') =>
  succeeded(await alice.get(`/api/sessions${query}`)) as {
    sessions: { sessionId: AgentSessionId }[]
    nextCursor: string | null
  }

describe('messages', () => {
  test('are paged backwards in the order of their first push, whatever their ids and clocks say', async () => {
    const id = await alice.newSession()
    // Ids that run against the order, and a clock that jumps back.
    const ids = Array.from({ length: 250 }, (_, i) => `msg_${String(1_000 - i)}`)
    const items = ids.flatMap((message, i) => [
      messageItem(message, i % 2 === 0 ? 'user' : 'assistant', { time: { created: i === 100 ? 5 : 1_000 + i } }),
      textItem(message, `prt_${message}`, `text ${i}`),
    ])
    await alice.taken(id, items)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await alice.page(id, cursor === null ? '?limit=37' : `?limit=37&before=${cursor}`)
      seen.unshift(...page.messages.map(({ info }) => info.id))
      cursor = page.nextCursor
      // New ones come at the other end, and change nothing of what is left to read.
      if (seen.length < 100) await alice.taken(id, [messageItem(newMessageId(), 'user')])
    } while (cursor !== null)
    expect(seen).toEqual(ids)
  })

  test('have cursors that are good for their own session alone', async () => {
    const [one, other] = [await alice.newSession(), await alice.newSession()]
    for (const id of [one, other]) await alice.taken(id, [messageItem('msg_1', 'user'), messageItem('msg_2', 'user')])
    const { nextCursor } = await alice.page(one, '?limit=1')
    expectRefusal(await alice.get(`/api/session/${other}/messages?before=${nextCursor}`), 'invalid_input')
    for (const bad of ['2', '2.', `1.${nextCursor?.split('.')[1]}`, 'x'.repeat(1_025)]) {
      expectRefusal(await alice.get(`/api/session/${one}/messages?before=${bad}`), 'invalid_input')
    }
    expectRefusal(await alice.get(`/api/session/${one}/messages?limit=101`), 'invalid_input')
    expect((await alice.page(one, `?limit=1&before=${nextCursor}`)).messages).toMatchObject([{ info: { id: 'msg_1' } }])
  })

  test('that are too large for a page are counted, and the paging goes on', async () => {
    const id = await alice.newSession()
    const mib = 'x'.repeat(1024 * 1024)
    await alice.taken(id, [messageItem('msg_1', 'user'), textItem('msg_1', 'prt_1', 'small')])
    await alice.taken(id, [messageItem('msg_2', 'assistant'), textItem('msg_2', 'prt_2', mib.repeat(9))])
    await alice.taken(id, [messageItem('msg_3', 'assistant'), textItem('msg_3', 'prt_3', mib.repeat(5))])
    await alice.taken(id, [messageItem('msg_4', 'assistant'), textItem('msg_4', 'prt_4', mib.repeat(5))])
    const first = await alice.page(id)
    expect(first.messages.map(({ info }) => info.id)).toEqual(['msg_4'])
    const second = await alice.page(id, `?before=${first.nextCursor}`)
    expect(second.messages.map(({ info }) => info.id)).toEqual(['msg_1', 'msg_3'])
    expect(second).toMatchObject({ omittedItemCount: 1, nextCursor: null })
    // The export has them all, whole.
    const { messages } = await alice.export(id)
    const lengths = messages.map(({ parts }) => String(parts[0]?.text).length)
    expect(lengths).toEqual([5, 9 * mib.length, 5 * mib.length, 5 * mib.length])
  })
})

describe('a row', () => {
  test('says what was pushed about the session, and rises with each change', async () => {
    const id = await alice.newSession()
    const before = await row(id)
    expect(before).toMatchObject({ sessionId: id, title: '', agentKind: 'external', status: null, gitUrl: null })
    await alice.taken(id, [
      sessionItem(id, { title: 'Fix' }),
      meta({ gitUrl: 'git@GitHub.com:Acme/Widgets.git', gitBranch: 'main', orgId: organizationId, platform: 'vscode' }),
      { type: 'session_status', data: { status: 'busy' } },
    ])
    const after = await row(id)
    expect(after).toMatchObject({
      ...{ title: 'Fix', gitUrl: 'https://github.com/acme/widgets', gitBranch: 'main', createdOnPlatform: 'vscode' },
      ...{ organizationId, status: 'busy' },
    })
    expect(after.revision).toBeGreaterThan(Number(before.revision))
    expect(after.statusUpdatedAt).toBeTypeOf('number')
  })

  test('keeps the repository and the organization that were named first', async () => {
    const id = await alice.newSession()
    await alice.taken(id, [meta({ gitUrl: 'not a url', orgId: 'none of theirs' })])
    expect(await row(id)).toMatchObject({ gitUrl: null, organizationId: null })
    await alice.taken(id, [meta({ gitUrl: 'https://example.com/a/b.git', gitBranch: 'x' })])
    await alice.taken(id, [meta({ gitUrl: 'https://example.com/other/repository', gitBranch: 'y' })])
    expect(await row(id)).toMatchObject({ gitUrl: 'https://example.com/a/b', gitBranch: 'y' })
  })

  test('is found by repository and by root, newest activity first', async () => {
    const [parent, child, late] = [await alice.newSession(), await alice.newSession(), newAgentSessionId()]
    const here = meta({ gitUrl: 'https://gitlab.com/Acme/Tree' })
    await alice.taken(parent, [here])
    await alice.taken(child, [here, sessionItem(child, { parentID: parent })])
    const orphan = await alice.newSession()
    await alice.taken(orphan, [here, sessionItem(orphan, { parentID: late })])
    const ids = async (query: string) => (await list(query)).sessions.map(({ sessionId }) => sessionId)
    const repository = 'gitUrl=ssh://git@gitlab.com/acme/tree.git'
    expect(await ids(`?${repository}`)).toEqual([orphan, child, parent])
    expect(await ids(`?${repository}&roots=true`)).toEqual([orphan, parent])
    // The parent that was named comes, and is one from then on.
    await alice.newSession(late)
    expect(await row(orphan)).toMatchObject({ parentSessionId: late })
    expect(await ids(`?${repository}&roots=true`)).toEqual([parent])
    const first = await list(`?${repository}&limit=2`)
    expect(first.sessions).toHaveLength(2)
    expect(await ids(`?${repository}&limit=2&cursor=${first.nextCursor}`)).toEqual([parent])
    // Activity, and not a title, moves a session.
    await alice.post(`/api/session/${parent}/title`, { title: 'Chosen', generated: false })
    expect((await ids(`?${repository}`))[0]).toBe(orphan)
    await alice.taken(parent, [messageItem('msg_1', 'user')])
    expect((await ids(`?${repository}`))[0]).toBe(parent)
    expectRefusal(await alice.get('/api/sessions?gitUrl=nothing'), 'invalid_input')
  })
})

describe('a title', () => {
  const set = async (id: string, title: string, generated: boolean) =>
    succeeded(await alice.post(`/api/session/${id}/title`, { title, generated }))

  test('that was generated takes the place only of none or of a default one', async () => {
    const id = await alice.newSession()
    expect(await set(id, '  First  ', true)).toEqual({ title: 'First', applied: true })
    expect(await set(id, 'Second', true)).toEqual({ title: 'First', applied: false })
    const fresh = await alice.newSession()
    await alice.taken(fresh, [sessionItem(fresh, { title: 'New session - 2026-01-01T00:00:00.000Z' })])
    expect(await set(fresh, 'Generated', true)).toMatchObject({ applied: true })
  })

  test('that a person chose stands, also when both come at once, and against the agent’s own', async () => {
    for (let i = 0; i < 10; i++) {
      const id = await alice.newSession()
      await Promise.all([set(id, 'Generated', true), set(id, 'Chosen', false), set(id, 'Generated', true)])
      expect(await row(id)).toMatchObject({ title: 'Chosen' })
    }
    const id = await alice.newSession()
    await set(id, 'Chosen', false)
    await alice.taken(id, [sessionItem(id, { title: 'Of the agent' })])
    expect(await row(id)).toMatchObject({ title: 'Chosen' })
    expect((await alice.export(id)).info.title).toBe('Chosen')
    expect(await set(id, 'Chosen again', false)).toMatchObject({ applied: true })
  })

  test('that is none is refused, and no running agent hears of one', async () => {
    const id = await alice.newSession()
    for (const title of ['', '   ', 'x'.repeat(201)]) {
      expectRefusal(await alice.post(`/api/session/${id}/title`, { title, generated: false }), 'invalid_input')
    }
    expect((await alice.post(`/api/session/${id}/rename-notify`, { title: 'New' })).json).toEqual({ delivered: false })
  })
})

describe('a shared session', () => {
  const shareOf = async (id: string) =>
    succeeded(await alice.post(`/api/session/${id}/share`, {})) as {
      share_token: string
      public_id: string
      url: string
    }

  test('opens without sign-in and shows no place of the machine', async () => {
    const id = await alice.newSession()
    await alice.taken(id, [
      sessionItem(id, { title: 'Public' }),
      messageItem('msg_1', 'assistant', { path: { cwd: '/home/alice/widgets', root: '/home/alice/widgets' } }),
      {
        type: 'part',
        data: {
          ...{ id: 'prt_1', messageID: 'msg_1', type: 'tool', tool: 'read', callID: 'c' },
          state: { status: 'completed', input: { filePath: '/home/alice/widgets/src/a.ts' }, output: 'fine' },
        },
      },
    ])
    const { share_token, public_id, url } = await shareOf(id)
    expect(public_id).toBe(share_token)
    expect(new URL(url).pathname).toBe(`/session/${share_token}`)
    const response = await fetch(`${face.url}/session/${share_token}`)
    expect(response.status).toBe(200)
    for (const [name, value] of [
      ['cache-control', 'no-store'],
      ['x-robots-tag', 'noindex'],
      ['referrer-policy', 'no-referrer'],
      ['access-control-allow-origin', null],
    ] as const) {
      expect(response.headers.get(name)).toBe(value)
    }
    const text = await response.text()
    expect(text).not.toContain('/home/alice')
    const { info, messages } = exportSchema.parse(JSON.parse(text))
    expect(info).toMatchObject({ id, title: 'Public' })
    expect(messages[0]?.parts[0]).toMatchObject({
      state: { input: { filePath: `/cloud-agent/sessions/${id}/src/a.ts` }, output: 'fine' },
    })
    const metadata = await face.request(`/session/${share_token}/metadata`)
    expect(metadata.json).toMatchObject({ title: 'Public', ownerName: expect.any(String) })
  })

  test('has one token until it is unshared, and another after it', async () => {
    const id = await alice.newSession()
    const { share_token } = await shareOf(id)
    expect(await shareOf(id)).toMatchObject({ share_token })
    succeeded(await alice.post(`/api/session/${id}/unshare`, {}))
    expectRefusal(await face.request(`/session/${share_token}`), 'session_not_found')
    const again = await shareOf(id)
    expect(again.share_token).not.toBe(share_token)
    expectRefusal(await face.request(`/session/${share_token}`), 'session_not_found')
    const forged = `${again.share_token.split('.')[0]}.${share_token.split('.')[1]}`
    const refused = await face.request(`/session/${forged}`)
    expectRefusal(refused, 'session_not_found')
    expect((await face.request('/session/nothing/metadata')).text).toBe(refused.text)
    succeeded(await alice.delete(`/api/session/${id}`))
    expectRefusal(await face.request(`/session/${again.share_token}`), 'session_not_found')
  })
})

describe('the export for back ends', () => {
  test('needs the secret, and a user whose session it is', async () => {
    const id = await alice.newSession()
    const path = `/internal/session/${id}/export`
    const ask = (secret: string | null, userId: string | null) =>
      face.request(path, {
        headers: {
          ...(secret !== null && { 'x-internal-secret': secret }),
          ...(userId !== null && { 'x-kilo-user-id': userId }),
        },
      })
    const { userId } = face.operator
    expect((await ask(internalApiSecret, userId)).status).toBe(200)
    for (const secret of [null, '', 'x', `${internalApiSecret}x`, internalApiSecret.slice(1)]) {
      expectRefusal(await ask(secret, userId), 'internal_key_required')
    }
    const absent = await ask(internalApiSecret, 'nobody')
    expectRefusal(absent, 'session_not_found')
    expect((await ask(internalApiSecret, stranger.userId)).text).toBe(absent.text)
    expect((await ask(internalApiSecret, null)).text).toBe(absent.text)
  })
})

describe('a deleted session', () => {
  test('takes nothing any more, not even what is under way', async () => {
    const id = await alice.newSession()
    const pushes = Array.from({ length: 50 }, (_, i) => alice.push(id, [messageItem(`msg_${i}`, 'user')]))
    succeeded(await alice.delete(`/api/session/${id}`))
    const statuses = new Set((await Promise.all(pushes)).map(({ status }) => status))
    expect([...statuses].filter((status) => status !== 200 && status !== 404)).toEqual([])
    const absent = await alice.push(newAgentSessionId(), [])
    expect(await alice.push(id, [])).toEqual(absent)
    expectRefusal(await alice.post('/api/session', { sessionId: id }), 'session_not_found')
    expectRefusal(await alice.get(`/api/session/${id}/export`), 'session_not_found')
    expect((await list('?limit=100')).sessions.map(({ sessionId }) => sessionId)).not.toContain(id)
  })

  test('may be made again after ninety days', async () => {
    const id = await alice.newSession()
    succeeded(await alice.delete(`/api/session/${id}`))
    const age = (days: number) =>
      pool.query(`update session set deleted_at = now() - $2 * interval '1 day' where agent_session_id = $1`, [
        id,
        days,
      ])
    await age(89)
    expectRefusal(await alice.post('/api/session', { sessionId: id }), 'session_not_found')
    await age(91)
    await alice.newSession(id)
    expect(await row(id)).toMatchObject({ title: '' })
  })

  test('goes with its children; a circle does not hold it up', async () => {
    const [root, child, grandchild] = [await alice.newSession(), await alice.newSession(), await alice.newSession()]
    await alice.taken(child, [sessionItem(child, { parentID: root })])
    await alice.taken(grandchild, [sessionItem(grandchild, { parentID: child })])
    await alice.taken(root, [sessionItem(root, { parentID: grandchild })])
    expect(await row(root)).toMatchObject({ parentSessionId: null })
    // As if it had come about all the same.
    await pool.query('update session set parent_agent_session_id = $2 where agent_session_id = $1', [root, grandchild])
    succeeded(await alice.delete(`/api/session/${root}`))
    for (const id of [root, child, grandchild])
      expectRefusal(await alice.get(`/api/session/${id}`), 'session_not_found')
  })

  test('is untouched where one of its children is not theirs any more', async () => {
    const { userId, apiKey } = await face.newUser()
    await auth.api.addMember({ body: { userId, organizationId, role: 'member' } })
    const carol = createPusher(face, apiKey)
    const [root, child] = [await carol.newSession(), await carol.newSession()]
    await carol.taken(child, [sessionItem(child, { parentID: root }), meta({ orgId: organizationId })])
    await pool.query('delete from member where user_id = $1', [userId])
    expectRefusal(await carol.delete(`/api/session/${root}`), 'session_not_found')
    expect((await carol.get(`/api/session/${root}`)).status).toBe(200)
  })
})

describe('another user', () => {
  test('has the same id for a session of their own, and sees nothing of this one', async () => {
    const id = await alice.newSession()
    await alice.taken(id, [messageItem('msg_1', 'user')])
    expectRefusal(await bob.get(`/api/session/${id}`), 'session_not_found')
    await bob.newSession(id)
    expect((await bob.export(id)).messages).toEqual([])
    expect((await alice.export(id)).messages).toHaveLength(1)
  })
})

test('a web ticket is for its user, and works once', async () => {
  const { ticket } = succeeded(await alice.post('/api/user/web-ticket', {})) as { ticket: string }
  const claims = await face.identity.webTickets.verify(ticket)
  expect(claims).toMatchObject({ userId: face.operator.userId, credential: { kind: 'key' } })
  if (!claims) throw new Error('the ticket is not good')
  expect(await face.identity.webTickets.consume(claims)).toBe(true)
  expect(await face.identity.webTickets.consume(claims)).toBe(false)
  expect(await face.identity.webTickets.verify(`${ticket}x`)).toBeNull()
  // It is no bearer, and no stream ticket.
  expect((await face.request('/api/user', { headers: bearer(ticket) })).status).toBe(401)
  expect(await face.identity.tickets.verify(ticket)).toEqual({ ok: false })
})
