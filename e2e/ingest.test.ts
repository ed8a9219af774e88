/** A stock Kilo CLI on somebody's own machine, pointed at Corral: its session is here while it runs, and goes when it is deleted. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newAgentSessionId, newMessageId, newPartId, type SessionExport, type SessionRow } from '@corral/protocol'
import { type ScriptedModel, startScriptedModel } from '@corral/scripted-model'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentExport } from './harness/agentExport.ts'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from './harness/installation.ts'
import { git, makeRepository } from './harness/repositories.ts'
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

const cliMs = 90_000
const authorization = `Bearer ${apiKey}`

async function get<T>(path: string): Promise<T> {
  const response = await fetch(corral.url + path, { headers: { authorization } })
  if (!response.ok) throw new Error(`${response.status} for ${path}: ${await response.text()}`)
  return (await response.json()) as T
}

/** Somebody's machine: a home with a checkout, and the CLI as it comes from npm. */
async function laptop(program: string) {
  const home = join(corral.folder, 'laptop')
  const checkout = join(home, 'widgets')
  await mkdir(checkout, { recursive: true })
  await writeFile(join(checkout, 'README.md'), 'Widgets.\n')
  await git(checkout, 'init', '-q', '-b', 'main')
  await git(checkout, 'remote', 'add', 'origin', 'git@github.com:Acme/Widgets.git')
  await writeFile(
    join(checkout, 'kilo.json'),
    JSON.stringify({
      model: 'demo/demo',
      small_model: 'demo/demo',
      permission: 'allow',
      provider: {
        demo: {
          npm: '@ai-sdk/openai-compatible',
          name: 'demo',
          options: { baseURL: `${model.url}/v1`, apiKey: 'none' },
          models: { demo: { name: 'demo' } },
        },
      },
    }),
  )
  return {
    async kilo(args: string[], env: Record<string, string> = {}): Promise<string> {
      const path = join(home, `output-${Math.random()}`)
      await using output = await open(path, 'w')
      const child = spawn(program, args, {
        cwd: checkout,
        env: {
          PATH: process.env.PATH,
          HOME: home,
          KILO_API_URL: corral.url,
          KILO_SESSION_INGEST_URL: corral.url,
          KILO_API_KEY: apiKey,
          KILO_DISABLE_AUTOUPDATE: '1',
          OPENCODE_DISABLE_MODELS_FETCH: '1',
          OPENCODE_DISABLE_AUTOUPDATE: '1',
          ...env,
        },
        stdio: ['ignore', output.fd, output.fd],
        timeout: cliMs,
        killSignal: 'SIGKILL',
      })
      const [code] = await once(child, 'exit')
      const said = await readFile(path, 'utf8')
      if (code !== 0) throw new Error(`kilo ${args[0]} ended with ${code}: ${said.slice(-2_000)}`)
      return said
    },
  }
}

test('a local turn is pushed, equals the CLI’s own export, comes back by an import, and is deleted with it', async ({
  skip,
}) => {
  const { stdout } = await corral.command(['agents', 'ls', '--json'])
  const installed: { name: string; folder: string; bin: string }[] = JSON.parse(stdout)
  const kilo = installed.find(({ name }) => name === 'kilo')
  if (!kilo) return skip('Kilo is not installed; add it with "corral agents add kilo"')
  const machine = await laptop(join(kilo.folder, kilo.bin))
  await machine.kilo(['run', play(bash('echo local work'), say('Done here.'))])

  const row = await eventually('the pushed session', 20_000, async () => {
    const { sessions } = await get<{ sessions: SessionRow[] }>('/api/sessions?gitUrl=https://github.com/acme/widgets')
    return sessions[0] ?? null
  })
  expect(row).toMatchObject({ agentKind: 'external', gitBranch: 'main', createdOnPlatform: expect.any(String) })
  const id = row.sessionId

  const theirs: SessionExport = JSON.parse(jsonOf(await machine.kilo(['export', id])))
  // Kilo keeps when a step began, and tells it to nobody.
  for (const part of theirs.messages.flatMap(({ parts }) => parts)) if (part.type === 'step-start') delete part.time
  const ours = await get<SessionExport>(`/api/session/${id}/export`)
  expect(ours.messages).toEqual(theirs.messages)
  expect(JSON.stringify(ours)).toContain('Done here.')

  const file = join(corral.folder, 'export.json')
  await writeFile(file, JSON.stringify(ours))
  const other = { HOME: join(corral.folder, 'other'), KILO_DISABLE_SESSION_INGEST: '1' }
  await mkdir(other.HOME)
  expect(await machine.kilo(['import', file], other)).toContain(id)
  const imported: SessionExport = JSON.parse(jsonOf(await machine.kilo(['export', id], other)))
  expect(imported.messages).toEqual(theirs.messages)

  await machine.kilo(['session', 'delete', id])
  await eventually('its deletion', 20_000, async () => {
    const { status } = await fetch(`${corral.url}/api/session/${id}`, { headers: { authorization } })
    return status === 404 ? status : null
  })
}, 300_000)

test('a pushed session goes on in the cloud; its agent knows what was said, and its machine is told to stop pushing', async ({
  skip,
}) => {
  const { stdout } = await corral.command(['agents', 'ls', '--json'])
  const installed: { name: string }[] = JSON.parse(stdout)
  if (!installed.some(({ name }) => name === 'kilo'))
    return skip('Kilo is not installed; add it with "corral agents add kilo"')
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

/** What the CLI says beside it stands before. */
const jsonOf = (output: string) => output.slice(output.indexOf('{'))
