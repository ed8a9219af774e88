/**
 * A stock Kilo CLI on somebody's own machine, pointed at Corral: its session is here while it runs, and goes when it is
 * deleted. `long/imports.test.ts` has exports that come back into other agents.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newAgentSessionId, newMessageId, newPartId, type SessionExport, type SessionRow } from '@corral/protocol'
import { type ScriptedModel, startScriptedModel } from '@corral/scripted-model'
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentExport } from './harness/agentExport.ts'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, internalKey, startInstallation } from './harness/installation.ts'
import { installedAgent, notInstalled } from './harness/installedAgent.ts'
import { jsonOf, laptop, prompted } from './harness/laptop.ts'
import { makeRepository } from './harness/repositories.ts'
import { bash, play, say } from './harness/script.ts'
import { follow } from './harness/viewer.ts'

let corral: Installation
/** Theirs: what runs on their machine is nothing to Corral. */
let model: ScriptedModel

beforeAll(async () => {
  corral = await startInstallation()
  model = await startScriptedModel()
})
afterAll(async () => {
  await model?.close()
  await corral?.end()
})

const authorization = `Bearer ${apiKey}`

async function get<T>(path: string): Promise<T> {
  const response = await fetch(corral.url + path, { headers: { authorization } })
  if (!response.ok) throw new Error(`${response.status} for ${path}: ${await response.text()}`)
  return (await response.json()) as T
}

const statusOf = async (path: string) => (await fetch(corral.url + path, { headers: { authorization } })).status

/** Points it here. */
const pushing = () => ({ KILO_API_URL: corral.url, KILO_SESSION_INGEST_URL: corral.url, KILO_API_KEY: apiKey })

test('a local turn is pushed, equals the CLI’s own export, and comes back by an import; the CLI renames, shares, goes on after it was refused, and deletes', async ({
  skip,
}) => {
  const kilo = await installedAgent(corral, 'kilo')
  if (!kilo) return skip(notInstalled('kilo'))
  const home = join(corral.folder, 'laptop')
  const machine = await laptop({ home, agent: kilo, modelUrl: model.url, env: pushing() })
  await machine.run(['run', ...prompted(play(bash('echo local work'), say('Done here.')))])

  const row = await eventually('the pushed session', 20_000, async () => {
    const { sessions } = await get<{ sessions: SessionRow[] }>('/api/sessions?gitUrl=https://github.com/acme/widgets')
    return sessions[0] ?? null
  })
  expect(row).toMatchObject({ agentKind: 'external', gitBranch: 'main', createdOnPlatform: expect.any(String) })
  const id = row.sessionId

  await eventually('the end of its turn in the figures', 20_000, async () => {
    const answer = await fetch(`${corral.url}/metrics`, { headers: { 'x-internal-api-key': internalKey } })
    return /^corral_pushed_turn_seconds_count\{end="completed"\} 1$/m.test(await answer.text()) || null
  })

  const theirs: SessionExport = JSON.parse(jsonOf(await machine.run(['export', id])))
  // Kilo keeps when a step began, and tells it to nobody.
  for (const part of theirs.messages.flatMap(({ parts }) => parts)) if (part.type === 'step-start') delete part.time
  const ours = await get<SessionExport>(`/api/session/${id}/export`)
  expect(ours.messages).toEqual(theirs.messages)
  const said = ours.messages.flatMap(({ parts }) => parts)
  expect(said).toContainEqual(expect.objectContaining({ type: 'text', text: 'Done here.' }))
  expect(said).toContainEqual(
    expect.objectContaining({ type: 'tool', state: expect.objectContaining({ output: 'local work\n' }) }),
  )

  const file = join(corral.folder, 'export.json')
  await writeFile(file, JSON.stringify(ours))
  const other = await laptop({ home: join(corral.folder, 'other'), agent: kilo, modelUrl: model.url })
  expect(await other.run(['import', file])).toContain(id)
  const imported: SessionExport = JSON.parse(jsonOf(await other.run(['export', id])))
  expect(imported.messages).toEqual(theirs.messages)

  await using server = await machine.serve()
  const client = createKiloClient({ baseUrl: server.url, directory: join(home, 'widgets') })
  expect((await client.session.update({ sessionID: id, title: 'Chosen by hand' })).error).toBeUndefined()
  await eventually('its new title', 20_000, async () => {
    const { title } = await get<SessionRow>(`/api/session/${id}`)
    return title === 'Chosen by hand' || null
  })

  const shared = await client.session.share({ sessionID: id })
  // The CLI writes an address of its maker's; the token is ours.
  const token = shared.data?.share?.url.split('/').at(-1)
  const link = () => fetch(`${corral.url}/session/${token}`)
  expect(await (await link()).text()).toContain('Done here.')
  expect((await client.session.unshare({ sessionID: id })).error).toBeUndefined()
  expect((await link()).status).toBe(404)

  await corral.backEnd.call.prepareLegacySession.mutate({
    ...{ cloudAgentSessionId: row.cloudAgentSessionId, kiloSessionId: id },
    ...{ prompt: play(say('Never.')), mode: 'code', model: 'scripted/demo', githubRepo: 'acme/widgets' },
  })
  const answer = await client.session.prompt({
    sessionID: id,
    model: { providerID: 'demo', modelID: 'demo' },
    parts: [{ type: 'text', text: play(say('Still at work here.')) }],
  })
  expect(JSON.stringify(answer.data?.parts)).toContain('Still at work here.')
  await eventually(
    'the refusal of a push',
    20_000,
    async () => /status=400 .*sync failed/.test(await server.said()) || null,
  )
  const again = await client.session.messages({ sessionID: id })
  expect(JSON.stringify(again.data)).toContain('Still at work here.')
  expect(JSON.stringify(await get(`/api/session/${id}/export`))).not.toContain('Still at work here.')

  expect((await client.session.delete({ sessionID: id })).error).toBeUndefined()
  await eventually('its deletion', 20_000, async () => ((await statusOf(`/api/session/${id}`)) === 404 ? true : null))
}, 600_000)

test('a pushed session goes on in the cloud; its agent knows what was said, and its machine is told to stop pushing', async ({
  skip,
}) => {
  if (!(await installedAgent(corral, 'kilo'))) return skip(notInstalled('kilo'))
  const id = newAgentSessionId()
  await post('/api/session', { sessionId: id })
  const [asked, answered] = [newMessageId(), newMessageId()]
  const said = { providerID: 'demo', modelID: 'demo' }
  const place = { cwd: '/home/alice/widgets', root: '/home/alice/widgets' }
  const info = {
    ...{ role: 'assistant', parentID: asked, mode: 'code', agent: 'code', path: place, ...said, cost: 0 },
    tokens: { input: 1, output: 1, reasoning: 0, cache: { read: 0, write: 0 } },
    time: { created: Date.now() - 1_000, completed: Date.now() - 500 },
  }
  const items = [
    { type: 'session', data: { id, title: 'Local work', time: { created: Date.now(), updated: Date.now() } } },
    {
      type: 'message',
      data: { id: asked, role: 'user', agent: 'code', model: said, time: { created: Date.now() - 2_000 } },
    },
    { type: 'part', data: { id: newPartId(), messageID: asked, type: 'text', text: 'Remember the word heron.' } },
    { type: 'message', data: { id: answered, ...info } },
    {
      type: 'part',
      data: { id: newPartId(), messageID: answered, type: 'text', text: 'Heron it is.', time: { start: 1, end: 2 } },
    },
  ]
  await post(`/api/session/${id}/ingest?v=2`, { data: items })
  const { cloudAgentSessionId: session } = await get<SessionRow>(`/api/session/${id}`)

  const gitUrl = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  await corral.backEnd.call.prepareLegacySession.mutate({
    cloudAgentSessionId: session,
    kiloSessionId: id,
    ...{ prompt: play(say('Going on.')), mode: 'code', model: 'scripted/demo', agentKind: 'kilo', gitUrl },
  })
  const refused = await fetch(`${corral.url}/api/session/${id}/ingest?v=2`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ data: items }),
  })
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: 'session_moved_to_cloud' }])

  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
  const viewer = follow(corral.corral, session)
  expect(await viewer.ended(executionId)).toMatchObject({ streamEventType: 'complete' })
  viewer.close()

  const ours = await corral.corral.exportSession(session)
  const texts = (exported: SessionExport) =>
    exported.messages.flatMap(({ parts }) => parts.flatMap(({ type, text }) => (type === 'text' ? [text] : [])))
  expect(texts(ours)).toEqual(['Remember the word heron.', 'Heron it is.', play(say('Going on.')), 'Going on.'])
  expect(ours.info).toMatchObject({ id, title: 'Local work' })
  // What the agent in the sandbox has itself.
  expect(texts(await agentExport(corral, { session, agentSessionId: id, agent: 'kilo' }))).toEqual(texts(ours))
}, 300_000)

async function post(path: string, body: object): Promise<void> {
  const response = await fetch(corral.url + path, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status} for ${path}: ${await response.text()}`)
}
