/**
 * Suggestions, as Kilo's clients take them up. They come into the log by the sink, as a supervisor sends them: Kilo 7.7.2
 * offers its tool for them to its own clients alone.
 */
import type { SessionId } from '@corral/protocol'
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { asc, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { suggestion } from '../../database/askTables.ts'
import { event, execution, workspace } from '../../database/schema.ts'
import { noteSuggestion } from '../../sessions/suggestions/shown.ts'
import { type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const kilo = () =>
  createKiloClient({ baseUrl: `${face.url}/kilo`, headers: { Authorization: `Bearer ${face.operator.apiKey}` } })
const actions = [
  { label: 'Review', prompt: '/review the door' },
  { label: 'Test', description: 'Runs them', prompt: 'Run the tests' },
]
const executionsOf = (id: SessionId) =>
  face.database.orm.select().from(execution).where(eq(execution.sessionId, id)).orderBy(execution.queuedSeq)

/** A session whose agent has suggested something while it worked. */
async function suggested(changes: object = {}) {
  const started = await face.start()
  const suggestionId = `sug_${crypto.randomUUID().replaceAll('-', '')}`
  const show = (request: object = {}) =>
    face.database.transaction(async (tx) => {
      const properties = { id: suggestionId, sessionID: started.agentSessionId, text: 'And now?', actions, ...request }
      const { executionId } = started
      const data = { type: 'suggestion.shown', properties: { ...properties, ...changes } }
      const { events } = await noteSuggestion(tx, started.id, { n: 1, type: 'kilocode', executionId, data })
      if (events.length > 0) await face.log.appendIn(tx, started.id, events)
      return events.length
    })
  await show()
  return { ...started, suggestionId, show }
}
async function toldOf(id: SessionId): Promise<{ type: string; properties: object }[]> {
  const rows = await face.database.orm.select().from(event).where(eq(event.sessionId, id)).orderBy(asc(event.seq))
  return rows.map(({ data }) => JSON.parse(data)).filter(({ type }) => String(type).startsWith('suggestion.'))
}

test('what an agent suggests is listed, told once, and holds nothing up', async () => {
  const { id, agentSessionId, suggestionId, show } = await suggested()
  expect(await show()).toBe(0)
  const directory = `/cloud-agent/sessions/${agentSessionId}`
  const { data } = await kilo().suggestion.list({ directory })
  expect(data).toEqual([{ id: suggestionId, sessionID: agentSessionId, text: 'And now?', actions }])
  expect(await toldOf(id)).toMatchObject([{ type: 'suggestion.shown', properties: { id: suggestionId } }])
  const caller = { userId: face.operator.userId, botId: null, internal: false }
  expect(await face.sessions.suggestions(caller, id, 'open')).toMatchObject([{ id: suggestionId, state: 'open' }])
  expect(await face.sessions.asks(caller, id, undefined)).toEqual([])
})

test('accepting queues the prompt of the action, once', async () => {
  const { id, suggestionId } = await suggested()
  for (let again = 0; again < 2; again += 1) {
    expect((await kilo().suggestion.accept({ requestID: suggestionId, index: 1 })).data).toBe(true)
  }
  const [, queued, ...more] = await executionsOf(id)
  expect(more).toEqual([])
  expect(queued).toMatchObject({ state: 'queued', prompt: 'Run the tests' })
  expect(await toldOf(id)).toMatchObject([
    { type: 'suggestion.shown' },
    { type: 'suggestion.accepted', properties: { requestID: suggestionId, index: 1, action: actions[1], by: 'user' } },
  ])
  const other = await kilo().suggestion.accept({ requestID: suggestionId, index: 0 })
  expect(other.response.status).toBe(409)
  expect((await kilo().suggestion.dismiss({ requestID: suggestionId })).response.status).toBe(409)
})

test('an action that is the line of a command is that command', async () => {
  const { id, suggestionId } = await suggested()
  await face.database.orm
    .update(workspace)
    .set({ commands: [{ name: 'review', hints: [] }] })
    .where(eq(workspace.sessionId, id))
  await kilo().suggestion.accept({ requestID: suggestionId, index: 0 })
  expect((await executionsOf(id)).at(-1)).toMatchObject({
    prompt: '/review the door',
    request: { command: { name: 'review', arguments: 'the door' } },
  })
})

test('what is dismissed, or has been overtaken by a message, is not there any more', async () => {
  const dismissed = await suggested()
  for (let again = 0; again < 2; again += 1) {
    expect((await kilo().suggestion.dismiss({ requestID: dismissed.suggestionId })).data).toBe(true)
  }
  const overtaken = await suggested()
  const body = JSON.stringify({ parts: [{ type: 'text', text: 'Something else' }] })
  await face.request(`/session/${overtaken.agentSessionId}/prompt_async`, { method: 'POST', body })
  expect((await toldOf(overtaken.id)).at(-1)).toMatchObject({ type: 'suggestion.dismissed', properties: { by: 'end' } })
  for (const { id, suggestionId } of [dismissed, overtaken]) {
    const late = await kilo().suggestion.accept({ requestID: suggestionId, index: 0 })
    expect(late.response.status).toBe(404)
    expect((await executionsOf(id)).filter(({ prompt }) => prompt === '/review the door')).toEqual([])
  }
})

test('another session’s, a stranger’s, none at all, and an action that there is not: nothing changes', async () => {
  const { id, suggestionId } = await suggested()
  const sibling = await face.start()
  const accept = (path: string, body: unknown, apiKey?: string) =>
    face.request(`/suggestion/${suggestionId}/accept${path}`, {
      ...{ method: 'POST', body: JSON.stringify(body) },
      ...(apiKey !== undefined && { apiKey }),
    })
  const beside = await accept(`?directory=/cloud-agent/sessions/${sibling.agentSessionId}`, { index: 0 })
  expect(beside).toMatchObject({ status: 404, json: { error: 'KILO_INTERACTION_REQUEST_NOT_FOUND' } })
  const stranger = await accept('', { index: 0 }, (await face.newUser()).apiKey)
  expect(stranger.text).toBe(beside.text)
  for (const body of [{ index: 2 }, { index: -1 }, {}, { index: 0, more: 1 }]) {
    expect(await accept('', body)).toMatchObject({ status: 400, json: { error: 'KILO_INTERACTION_BODY_INVALID' } })
  }
  expect(await executionsOf(id)).toHaveLength(1)
  const rows = await face.database.orm.select().from(suggestion).where(eq(suggestion.sessionId, id))
  expect(rows).toMatchObject([{ state: 'open' }])
})

test('an agent that suggests and suggests fills nothing', async () => {
  const { id, show } = await suggested()
  for (let i = 0; i < 12; i += 1) await show({ id: `sug_${i}` })
  expect(await face.database.orm.select().from(suggestion).where(eq(suggestion.sessionId, id))).toHaveLength(10)
})
