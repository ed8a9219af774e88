/**
 * What a session's configuration does in its sandbox: MCP servers of every transport as the agent uses them, setup
 * commands with the session's variables, a model in the place of another, a limit of time.
 */
import { once } from 'node:events'
import { glob, readFile, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { encryptSecret } from '@corral/client'
import type { Envelope, ExecutionId, SessionId } from '@corral/protocol'
import { emptyTranscript, logEventOf, orderedMessages, reduce } from '@corral/transcript'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestMcpServer, type TestMcpServer } from '../packages/server/src/testing/mcpServer.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { mcpProgram } from './harness/mcpProgram.ts'
import { makeRepository } from './harness/repositories.ts'
import { play, say } from './harness/script.ts'
import { follow, type Viewer } from './harness/viewer.ts'

const agentMs = 150_000
const variable = (name: string) => `\${env:${name}}`
const token = 'tool-token-8f31'
const literal = 'literal-header-77c2'
const greeting = 'a "quoted" {word}'

let corral: Installation
let remote: TestMcpServer
let busy: Server
let gitUrl: string
let session: SessionId
let viewer: Viewer
let first: ExecutionId

beforeAll(async () => {
  remote = await startTestMcpServer()
  busy = createServer((request, response) => void request.resume().on('end', () => response.writeHead(429).end()))
  await once(busy.listen(0, '127.0.0.1'), 'listening')
  const listening = busy.address()
  const busyPort = typeof listening === 'object' && listening ? listening.port : 0
  corral = await startInstallation({
    env: { CORRAL_ALLOW_PRIVATE_HOSTS: `127.0.0.1:${remote.port}` },
    config: { upstreams: { busy: { baseUrl: `http://127.0.0.1:${busyPort}/v1` } } },
  })
  gitUrl = await makeRepository(join(corral.repositories, 'app.git'), {
    'README.md': 'An app.\n',
    'tools/mcp.mjs': await mcpProgram(),
  })
  const program = { command: 'node', args: ['mcp.mjs', variable('GREETING')], cwd: 'tools' }
  const address = { type: 'streamable-http' as const, url: remote.url }
  const tools = ['local_greet', 'local_token', 'the_remote_shout', 'events_token', 'literal_token']
  const arguments_ = (tool: string) => (tool.endsWith('shout') ? '{"text":"hello"}' : '{}')
  const { publicKey } = await corral.corral.secretsPublicKey()
  const ack = await corral.backEnd.call.start.mutate({
    prompt: play(...tools.map((tool) => `tool ${tool} ${arguments_(tool)}`), say('All were used.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl,
    envVars: { TOOL_TOKEN: 'the secret of the same name wins', GREETING: greeting },
    encryptedSecrets: { TOOL_TOKEN: await encryptSecret(publicKey, token) },
    setupCommands: ['printf "%s\\n" "$GREETING"', 'echo "$SESSION_ID in $HOME"'],
    mcpServers: {
      local: { ...program, env: { MCP_TOKEN: variable('TOOL_TOKEN') }, disabledTools: ['forbidden'] },
      'the remote': { ...address, headers: { 'X-Tool-Token': variable('TOOL_TOKEN') } },
      events: { type: 'sse', url: remote.sseUrl, headers: { 'X-Tool-Token': variable('TOOL_TOKEN') } },
      literal: { ...address, headers: { 'X-Tool-Token': literal } },
      off: { ...program, disabled: true },
      lacking: { ...address, headers: { 'X-Key': variable('NOT_THERE') } },
    },
  })
  session = ack.cloudAgentSessionId
  first = ack.executionId
  viewer = follow(corral.corral, session)
  await viewer.ended(first, agentMs)
}, 240_000)
afterAll(async () => {
  viewer?.close()
  await corral?.end()
  await remote?.close()
  busy?.close()
})

/** What each tool has answered, in the order of their calls. */
function toolsUsed(events: Envelope[]): [string, unknown][] {
  return orderedMessages(reduce(emptyTranscript, events.map(logEventOf)))
    .flatMap(({ parts }) => parts)
    .flatMap(({ type, tool, state }): [string, unknown][] =>
      type === 'tool' ? [[String(tool), Object(state).output]] : [],
    )
}

const statuses = (of: Viewer) =>
  of.events.flatMap(({ streamEventType, data }) => (streamEventType === 'status' ? [data] : []))

test('the agent uses MCP servers of every transport', () => {
  expect(toolsUsed(viewer.events)).toEqual([
    ['local_greet', `${greeting} from tools`],
    ['local_token', `token of ${token.length} characters`],
    ['the_remote_shout', 'HELLO!'],
    ['events_token', `token of ${token.length} characters`],
    ['literal_token', `token of ${literal.length} characters`],
  ])
})

test('it has the tools of those that are enabled, but for the ones that are disabled', async () => {
  const offered = (await (await corral.model()).requests()).filter(({ lastUserText }) =>
    lastUserText.includes('All were'),
  )
  const names = offered.at(-1)?.tools.filter((name) => /^(local|the_remote|events|literal|off|lacking)_/.test(name))
  expect(names?.sort()).toEqual([
    ...['events_shout', 'events_slow', 'events_token'],
    ...['literal_shout', 'literal_slow', 'literal_token'],
    ...['local_greet', 'local_token'],
    ...['the_remote_shout', 'the_remote_slow', 'the_remote_token'],
  ])
})

test('a server that needs an unknown variable is not used, and that is told', () => {
  const warnings = statuses(viewer).flatMap(({ level, message }) => (level === 'warning' ? [message] : []))
  expect(warnings).toEqual(['The MCP server "lacking" is not used: the session has no variable NOT_THERE.'])
})

test('the servers lie in the home as they were configured, without values, for nobody else to read', async () => {
  const found: string[] = []
  for await (const path of glob(
    join(corral.home, 'sandboxes', '*', 'home', session, '.kilocode/cli/global/settings/*'),
  ))
    found.push(path)
  expect(found).toEqual([expect.stringMatching(/mcp_settings\.json$/)])
  const [path = ''] = found
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const text = await readFile(path, 'utf8')
  expect(JSON.parse(text).mcpServers).toMatchObject({
    local: { command: 'node', args: ['mcp.mjs', variable('GREETING')], env: { MCP_TOKEN: variable('TOOL_TOKEN') } },
    'the remote': { type: 'streamable-http', headers: { 'X-Tool-Token': variable('TOOL_TOKEN') } },
  })
  expect([token, literal, greeting].filter((value) => text.includes(value))).toEqual([])
})

test('setup commands are timed steps of the attempt, and print the session’s variables', async () => {
  const steps = statuses(viewer).filter(({ step }) => step === 'setup')
  expect(steps).toMatchObject([
    { stepId: 'setup-1', state: 'running', attempt: 1 },
    { stepId: 'setup-1', state: 'ok', attempt: 1, durationMs: expect.any(Number) },
    { stepId: 'setup-2', state: 'running', attempt: 1 },
    { stepId: 'setup-2', state: 'ok', attempt: 1, durationMs: expect.any(Number) },
  ])
  const printed = viewer.events.flatMap(({ streamEventType, data }) =>
    streamEventType === 'output' ? [data.content] : [],
  )
  expect(printed.join('')).toContain(`${session} in /home/${session}`)
  expect((await corral.corral.call.getSession.query({ cloudAgentSessionId: session })).mcpServerCount).toBe(6)
})

test('an MCP server at an address that is not allowed is refused when the session is prepared', async () => {
  const start = (url: string) =>
    corral.backEnd.call.start.mutate({
      ...{ prompt: 'x', mode: 'code', model: 'scripted/demo', gitUrl },
      mcpServers: { inside: { type: 'sse', url } },
    })
  for (const url of ['http://127.0.0.1:9/sse', 'https://169.254.169.254/latest', 'https://10.0.0.1/'])
    await expect(start(url)).rejects.toMatchObject({ reason: 'target_refused' })
})

test('a model that is busy is passed over, which the log tells; its mode, prompt and variant reach the agent', async () => {
  const ack = await corral.backEnd.call.start.mutate({
    ...{ model: 'busy/model', fallbackModels: ['scripted/other'], gitUrl },
    ...{ mode: 'custom', appendSystemPrompt: 'Speak softly.', variant: 'high' },
    prompt: play(say('The other one.')),
  })
  const own = follow(corral.corral, ack.cloudAgentSessionId)
  const fell = await own.until(
    'the other model',
    ({ streamEventType, data }) => streamEventType === 'status' && String(data.message).includes('in the place of'),
    agentMs,
  )
  expect(fell).toMatchObject({
    executionId: ack.executionId,
    data: { message: 'scripted/other answers in the place of busy/model (429).', level: 'warning' },
  })
  expect((await own.ended(ack.executionId, agentMs)).streamEventType).toBe('complete')
  const asked = own.events.flatMap(({ streamEventType, data }) => {
    const { info } = Object(streamEventType === 'kilocode' && data.properties)
    return info?.role === 'user' ? [info] : []
  })
  expect(asked.at(-1)).toMatchObject({ agent: 'build', system: 'Speak softly.', model: { variant: 'high' } })
  own.close()
}, 200_000)

test('a session’s own limit of time ends its executions', async () => {
  const ack = await corral.backEnd.call.start.mutate({
    ...{ mode: 'code', model: 'scripted/demo', timeoutMs: 1_000, gitUrl, prompt: play('hang') },
  })
  const own = follow(corral.corral, ack.cloudAgentSessionId)
  const end = await own.ended(ack.executionId, agentMs)
  expect(end).toMatchObject({ streamEventType: 'error', data: { reason: 'execution_limit' } })
  own.close()
})

test('modes that only plan are the agent’s planning mode, the others its building mode', async () => {
  const planning = await corral.corral.call.sendMessage.mutate({
    ...{ cloudAgentSessionId: session, mode: 'architect', prompt: play(say('A plan.')) },
  })
  await viewer.ended(planning.executionId, agentMs)
  const agents = viewer.events.flatMap(({ streamEventType, data }) => {
    const { info } = Object(streamEventType === 'kilocode' && data.properties)
    return info?.role === 'user' && info.agent ? [String(info.agent)] : []
  })
  expect([...new Set(agents)]).toEqual(['build', 'plan'])
}, 200_000)
