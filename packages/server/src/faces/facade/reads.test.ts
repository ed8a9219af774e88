/** What is read of sessions in the cloud: which, in which order, and what of them is shown. */
import { newAgentSessionId, newSessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { session } from '../../database/schema.ts'
import { placesOf } from '../../sessions/placement/places.ts'
import { assistantSays, expectRefused, type FacadeAnswer, type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const idsOf = ({ json }: FacadeAnswer): string[] => (Array.isArray(json) ? json.map(({ id }) => id) : [])

describe('in its first second', () => {
  test('a session and its user message are there under their final ids', async () => {
    const { id, agentSessionId } = await face.start({ prompt: 'Mend the door' })
    expect((await face.request(`/session/${agentSessionId}`)).json).toMatchObject({
      id: agentSessionId,
      slug: agentSessionId,
      projectID: 'cloud-agent',
      directory: `/cloud-agent/sessions/${agentSessionId}`,
      title: 'Mend the door',
      version: 'cloud-agent',
      agent: 'code',
      model: { id: 'scripted/demo', providerID: 'corral' },
      time: { created: expect.any(Number), updated: expect.any(Number) },
      metadata: { cloudAgentSessionId: id, gitUrl: 'https://github.com/corral/sample', gitBranch: `session/${id}` },
    })
    const before = await face.request(`/session/${agentSessionId}/message`)
    expect(before.json).toMatchObject([
      {
        info: {
          ...{ sessionID: agentSessionId, role: 'user', agent: 'code' },
          ...{ time: { created: expect.any(Number) }, model: { providerID: 'corral', modelID: 'scripted/demo' } },
        },
        parts: [{ type: 'text', text: 'Mend the door' }],
      },
    ])
    const [{ info, parts }] = JSON.parse(before.text)

    await face.say(id, [
      { type: 'message.updated', properties: { sessionID: agentSessionId, info: { ...info, agent: 'build' } } },
      { type: 'message.part.updated', properties: { sessionID: agentSessionId, part: parts[0] } },
    ])
    expect((await face.request(`/session/${agentSessionId}/message`)).json).toEqual([
      { info: { ...info, agent: 'build' }, parts },
    ])
  })

  test('every queued message shows, in order', async () => {
    const { id, agentSessionId } = await face.start({ prompt: 'Message 0' })
    for (let i = 1; i < 9; i += 1) await face.sessions.send(face.caller, id, { prompt: `Message ${i}` })
    const { json } = await face.request(`/session/${agentSessionId}/message`)
    expect(json).toMatchObject(Array.from({ length: 9 }, (_, i) => ({ parts: [{ text: `Message ${i}` }] })))
  })
})

describe('a list', () => {
  test('is that of a repository, by its normal form alone', async () => {
    const origins = ['https://gitlab.com/acme/door.git', 'git@gitlab.com:Acme/Door', 'https://GitLab.com/ACME/door/']
    const doors = []
    for (const gitUrl of origins) doors.push((await face.start({ gitUrl })).agentSessionId)
    const list = (gitUrl: string) => face.request(`/session?gitUrl=${encodeURIComponent(gitUrl)}`)
    expect(idsOf(await list('https://gitlab.com/acme/door'))).toEqual(doors.toReversed())
    expect(idsOf(await list('https://gitlab.com/acme/window'))).toEqual([])
    for (const gitUrl of origins) {
      const refused = await list(gitUrl)
      expectRefused(refused, 400, 'KILO_QUERY_INVALID')
      expect(refused.text).toContain('normal form, which is https://gitlab.com/acme/door')
    }
    expectRefused(await list('no repository'), 400, 'KILO_QUERY_INVALID')
  })

  test('is newest activity first, and goes on where it ended', async () => {
    const user = await face.newUser()
    const started = []
    for (let i = 0; i < 5; i += 1) started.push(await face.start({ prompt: `Task ${i}` }, user.userId))
    const [first] = started
    if (!first) throw new Error('nothing was started')
    await face.sessions.send({ userId: user.userId, botId: null, internal: false }, first.id, { prompt: 'Again' })
    const order = [first, ...started.slice(1).toReversed()].map(({ agentSessionId }) => agentSessionId)
    const { apiKey } = user
    expect(idsOf(await face.request('/session', { apiKey }))).toEqual(order)
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: FacadeAnswer = await face.request(`/session?limit=2${cursor && `&cursor=${cursor}`}`, { apiKey })
      seen.push(...idsOf(page))
      cursor = page.headers.get('x-next-cursor')
    }
    expect(seen).toEqual(order)
    expect(idsOf(await face.request('/session?search=sk%203', { apiKey }))).toEqual([started[3]?.agentSessionId])
    expect(idsOf(await face.request(`/session?start=${Date.now() + 60_000}&roots=true`, { apiKey }))).toEqual([])
    expect(idsOf(await face.request('/session?directory=/cloud-agent', { apiKey }))).toEqual(order)
    expect(idsOf(await face.request(`/session?directory=/cloud-agent/sessions/${order[2]}`, { apiKey }))).toEqual([
      order[2],
    ])

    const [foreign] = (await face.request('/session?limit=1')).headers.get('x-next-cursor')?.split('\n') ?? []
    expectRefused(await face.request(`/session?cursor=${foreign}`, { apiKey }), 400, 'KILO_QUERY_INVALID')
  })

  test.each([
    ['limit=0', 'KILO_QUERY_INVALID'],
    ['limit=101', 'KILO_QUERY_INVALID'],
    ['limit=5&limit=5', 'KILO_QUERY_INVALID'],
    ['start=yesterday', 'KILO_QUERY_INVALID'],
    [`search=${'x'.repeat(201)}`, 'KILO_QUERY_INVALID'],
    ['roots=false', 'KILO_QUERY_INVALID'],
    ['cursor=abc', 'KILO_QUERY_INVALID'],
    ['workspace=1', 'KILO_SESSION_LIST_SELECTOR_UNSUPPORTED'],
    ['directory=/somewhere', 'KILO_SESSION_LIST_SELECTOR_UNSUPPORTED'],
  ])('is refused with %s', async (query, code) => {
    expectRefused(await face.request(`/session?${query}`), 400, code)
  })

  test('says which are at work', async () => {
    const { id, agentSessionId } = await face.start()
    const status = async (query = '') => JSON.parse((await face.request(`/session/status${query}`)).text)
    const directory = `?directory=/cloud-agent/sessions/${agentSessionId}`
    expect((await status())[agentSessionId]).toEqual({ type: 'busy' })
    const retry = { type: 'retry', attempt: 2, message: 'Too many requests', next: 1234 }
    await face.say(id, [{ type: 'session.status', properties: { sessionID: agentSessionId, status: retry } }])
    expect(await status(directory)).toEqual({ [agentSessionId]: retry })
    await face.sessions.interrupt(face.caller, id)
    expect(await status(directory)).toEqual({})
  })
})

describe('what is shown', () => {
  test('has no place of the sandbox in it, and free text as it was', async () => {
    const { id, agentSessionId } = await face.start()
    const { workspacePath, home } = placesOf({
      ...{ id, organizationId: null, botId: null, userId: face.operator.userId },
      configuration: {},
    })
    const directory = `/cloud-agent/sessions/${agentSessionId}`
    const said = assistantSays(
      agentSessionId,
      [
        { type: 'text', text: `I look at ${workspacePath}/a.ts` },
        {
          type: 'tool',
          tool: 'edit',
          state: {
            status: 'completed',
            input: { filePath: `${workspacePath}/src/a.ts`, oldString: `${home}/x`, unheardOf: `in ${home}/.cache` },
            output: `${workspacePath}/src/a.ts`,
            title: `${workspacePath}/src/a.ts`,
            metadata: {
              diagnostics: { [`${workspacePath}/src/a.ts`]: [] },
              filediff: { file: '/etc/passwd', patch: home },
            },
            attachments: [{ type: 'file', mime: 'text/plain', url: `file://${workspacePath}/b`, filename: 'b' }],
          },
        },
        { type: 'patch', hash: 'h', files: [`${workspacePath}/src/a.ts`, `${home}/.bashrc`] },
      ],
      { path: { cwd: workspacePath, root: '/' } },
    )
    await face.say(id, said.events)
    const before = face.placesReplaced()
    const { json, text } = await face.request(`/session/${agentSessionId}/message/${said.id}`)
    expect(json).toMatchObject({
      info: { path: { cwd: directory, root: directory } },
      parts: [
        { text: `I look at ${workspacePath}/a.ts` },
        {
          state: {
            input: { filePath: `${directory}/src/a.ts`, oldString: `${home}/x`, unheardOf: `in ${directory}/.cache` },
            output: `${workspacePath}/src/a.ts`,
            title: `${directory}/src/a.ts`,
            metadata: { diagnostics: { [`${directory}/src/a.ts`]: [] }, filediff: { file: directory, patch: home } },
            attachments: [{ url: '' }],
          },
        },
        { files: [`${directory}/src/a.ts`, directory] },
      ],
    })
    expect(text).not.toContain('file:')
    expect(face.placesReplaced() - before, 'in a member of which nothing is known').toBe(1)
  })

  test('is the message of the list, also by its id and in pages', async () => {
    const { id, agentSessionId } = await face.start()
    for (let i = 0; i < 24; i += 1)
      await face.say(id, assistantSays(agentSessionId, [{ type: 'text', text: `${i}` }]).events)
    await face.say(id, assistantSays('ses_child0000000000000000000', [{ type: 'text', text: 'of a sub-agent' }]).events)
    const path = `/session/${agentSessionId}/message`
    const whole: { info: { id: string } }[] = JSON.parse((await face.request(path)).text)
    expect(whole).toHaveLength(25)
    for (const message of whole.slice(0, 3)) {
      expect((await face.request(`${path}/${message.info.id}`)).json).toEqual(message)
    }
    const pages: unknown[] = []
    let next: string | undefined = `${path}?limit=10`
    while (next) {
      const page = await face.request(next)
      pages.unshift(...JSON.parse(page.text))
      expect(page.headers.get('x-kilo-omitted-item-count')).toBe('0')
      const link = /^<\/kilo(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')
      expect(page.headers.get('x-next-cursor') === null).toBe(link === null)
      next = link?.[1]
    }
    expect(pages).toEqual(whole)
    expect((await face.request(`${path}?limit=0`)).json).toEqual(whole)
  })

  test.each([
    ['?limit=101', 400, 'KILO_QUERY_INVALID'],
    ['?limit=x', 400, 'KILO_QUERY_INVALID'],
    ['?before=abc', 400, 'KILO_QUERY_INVALID'],
    ['?limit=1&before=abc', 400, 'KILO_QUERY_INVALID'],
    ['?directory=/elsewhere', 400, 'KILO_SESSION_SELECTOR_UNSUPPORTED'],
    ['?workspace=x', 400, 'KILO_SESSION_SELECTOR_UNSUPPORTED'],
    ['/msg_nobody', 404, 'KILO_MESSAGE_NOT_FOUND'],
    ['/prt_nobody', 404, 'KILO_MESSAGE_NOT_FOUND'],
    ['/msg%2F1', 404, 'KILO_MESSAGE_NOT_FOUND'],
    ['/msg%00', 404, 'KILO_MESSAGE_NOT_FOUND'],
  ])('is refused for %s', async (query, status, code) => {
    const { agentSessionId } = await face.start()
    expectRefused(await face.request(`/session/${agentSessionId}/message${query}`), status, code)
  })
})

describe('the order of refusals', () => {
  test('who calls, then the route, then whose session it is, then the rest', async () => {
    const { agentSessionId } = await face.start()
    const foreign = await face.start({}, (await face.newUser()).userId)
    const bad = '?limit=x&limit=y&workspace=z'
    expectRefused(await face.request('/nothing', { apiKey: 'none' }), 401, 'KILO_UNAUTHORIZED')
    expectRefused(await face.request(`/session/${foreign.agentSessionId}/fork${bad}`), 501, 'KILO_ROUTE_UNSUPPORTED')
    expectRefused(await face.request('/project/current'), 501, 'KILO_ROUTE_UNSUPPORTED')
    expectRefused(await face.request(`/session/${foreign.agentSessionId}/message${bad}`), 404, 'KILO_SESSION_NOT_FOUND')
    expectRefused(
      await face.request(`/session/${agentSessionId}`, { headers: { 'x-skip-balance-check': 'false' } }),
      400,
      'KILO_BALANCE_BYPASS_UNSUPPORTED',
    )
    const header = { 'x-kilo-directory': encodeURIComponent(`/cloud-agent/sessions/${agentSessionId}`) }
    expect((await face.request(`/session/${agentSessionId}`, { headers: header })).status).toBe(200)
    expectRefused(
      await face.request(`/session/${agentSessionId}?directory=/cloud-agent`, { headers: header }),
      400,
      'KILO_SESSION_SELECTOR_UNSUPPORTED',
    )
  })

  test('a cookie is no bearer', async () => {
    const response = await fetch(`${face.url}/kilo/session`, { headers: { cookie: 'better-auth.session_token=x' } })
    expect(response.status).toBe(401)
  })

  test('what is not yours looks exactly like what is not there', async () => {
    const foreign = await face.start({}, (await face.newUser()).userId)
    const deleted = await face.start()
    await face.sessions.remove(face.caller, deleted.id)
    const pushed = await face.start()
    await face.database.orm.update(session).set({ agentKind: 'external' }).where(eq(session.id, pushed.id))
    const colleague = await face.newUser()
    await face.auth.api.addMember({
      body: { userId: colleague.userId, organizationId: face.organizationId, role: 'member' },
    })
    const revoked = await face.start({ kilocodeOrganizationId: face.organizationId }, colleague.userId)
    await face.database.pool.query('delete from member where user_id = $1', [colleague.userId])
    const ids = [foreign, deleted, pushed].map(({ agentSessionId }) => agentSessionId)
    const malformed = ['ses_x', newSessionId(), `${newAgentSessionId()}0`, "ses_'; drop table session"]
    const ways = face.routes.filter((route) => route.includes(':sessionID'))
    expect(ways.length).toBeGreaterThan(10)
    const answers: FacadeAnswer[] = []
    for (const id of [...ids, newAgentSessionId(), ...malformed.map(encodeURIComponent)]) {
      for (const way of ways) {
        const [method = '', path = ''] = way.split(' ')
        const below = path.replace(':sessionID', id).replace(/:\w+/, 'msg_1')
        // What is wrong with the rest of the request is nobody's to learn.
        const body = method === 'GET' ? {} : { body: '{"bad":' }
        answers.push(await face.request(`${below}?limit=x&workspace=y`, { method, ...body }))
      }
      for (const list of ['/session', '/session/status', '/question', '/permission', '/event', '/global/event']) {
        answers.push(await face.request(`${list}?directory=/cloud-agent/sessions/${id}&workspace=y`))
      }
    }
    answers.push(await face.request(`/session/${revoked.agentSessionId}`, { apiKey: colleague.apiKey }))
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expectRefused(answers[0] ?? expect.fail(), 404, 'KILO_SESSION_NOT_FOUND')
  })
})
