/**
 * The stock SDKs of Kilo and OpenCode, unchanged, on sessions in the cloud: they make one, prompt it, follow its feed, answer
 * what a real agent asks, stop it, and read what that agent itself has on record.
 */
import { join } from 'node:path'
import { type AgentSessionId, newMessageId, type SessionId } from '@corral/protocol'
import { projected } from '@corral/transcript'
import { createKiloClient as createKiloClient1 } from '@kilocode/sdk/client'
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { createOpencodeClient as createOpencodeClient1 } from '@opencode-ai/sdk/client'
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentExport } from './harness/agentExport.ts'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, internalKey, startInstallation } from './harness/installation.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { ask, bash, gate, play, say, task, write } from './harness/script.ts'
import { lookInside } from './kills/inside.ts'
import { recordsOf } from './kills/records.ts'

const turnMs = 60_000

let corral: Installation
let repository: string
let sessionID: AgentSessionId
let session: SessionId
let directory: string
const feed = new AbortController()
const heard: { type: string; properties: Record<string, unknown> }[] = []

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), {
    'README.md': 'An app.\n',
    '.opencode/command/greet.md': '---\ndescription: Greets\n---\nplay: say "Hello $1"\n',
  })
})
afterAll(async () => {
  feed.abort()
  await corral?.end()
})

const config = (base: 'kilo' | 'opencode', more: { directory?: string } = {}) => ({
  baseUrl: `${corral.url}/${base}`,
  headers: { Authorization: `Bearer ${apiKey}` },
  ...more,
})
const kilo = () => createKiloClient(config('kilo'))
const opencode = () => createOpencodeClient(config('opencode', { directory }))
const parts = (...steps: string[]) => [{ type: 'text' as const, text: play(...steps) }]
const count = (type: string) => heard.filter((event) => event.type === type).length

/** Runs `work`, and resolves when the feed says that the turn which it began has ended. */
async function aTurn(work: () => Promise<unknown>): Promise<void> {
  const [completed, idle] = [count('cloud.message.completed'), count('session.idle')]
  await work()
  await eventually('the end of the turn', turnMs, () =>
    count('cloud.message.completed') > completed && count('session.idle') > idle ? true : null,
  )
}

test('a session is made, prompted and followed to the end of its turn', async () => {
  const made = await kilo().session.create({
    title: 'From an SDK',
    permission: [{ permission: 'question', pattern: '*', action: 'ask' }],
    metadata: { repository: { gitUrl: repository }, cloudAgent: { autoCommit: true } },
  })
  expect(made.error).toBeUndefined()
  sessionID = `ses_${made.data?.id.slice('ses_'.length)}`
  directory = `/cloud-agent/sessions/${sessionID}`
  session = `agent_${String(made.data?.metadata?.cloudAgentSessionId).slice('agent_'.length)}`
  expect(made.data).toMatchObject({ title: 'From an SDK', directory })

  const { stream } = await opencode().event.subscribe({}, { signal: feed.signal })
  void (async () => {
    for await (const event of stream) heard.push({ type: event.type, properties: { ...event.properties } })
  })()
  await eventually('the feed', 10_000, () => (count('server.connected') > 0 ? true : null))
  const todos = [{ content: 'Work', status: 'pending', priority: 'high' }]
  await aTurn(() =>
    opencode().session.promptAsync({
      sessionID,
      parts: parts(
        ...[say('I work.'), `tool todowrite ${JSON.stringify({ todos })}`, write('src/a.ts', 'one\n')],
        ...[bash('cat src/a.ts; pwd'), 'read src/a.ts', 'edit src/a.ts one two', 'read /etc/hostname'],
        ...['tool glob {"pattern":"**/*.ts"}', 'tool grep {"pattern":"two"}', say('Worked.')],
      ),
    }),
  )
  expect(heard.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['cloud.message.queued', 'cloud.message.sent', 'cloud.status', 'message.part.updated']),
  )
  const diff = await opencode().session.diff({ sessionID })
  expect(diff.data).toMatchObject([{ file: 'src/a.ts', status: 'added', patch: expect.stringContaining('+two') }])
  expect((await opencode().session.todo({ sessionID })).data).toEqual(todos)
  const pushed = await eventually('the commit on the branch of the session', turnMs, () =>
    git(repository, 'show', `session/${session}:src/a.ts`).catch(() => null),
  )
  expect(pushed.trim()).toBe('two')
})

test('what a prompt is waited for with is the last message', async () => {
  const answer = await opencode().session.prompt({ sessionID, parts: parts(bash('ls src'), say('That is all.')) })
  expect(answer.data?.info.error).toBeUndefined()
  expect(answer.data?.parts).toContainEqual(expect.objectContaining({ type: 'text', text: 'That is all.' }))
})

test('a command of the repository is listed and run, and what is none is refused', async () => {
  const listed = await eventually('the commands of the agent', turnMs, async () => {
    const { data } = await opencode().command.list()
    return data?.find(({ name }) => name === 'greet') ?? null
  })
  expect(listed).toMatchObject({ description: 'Greets', template: '', hints: ['$1'] })
  const messageID = newMessageId()
  const call = { sessionID, messageID, command: 'greet', arguments: 'Ada' }
  await aTurn(async () => expect((await opencode().session.command(call)).error).toBeUndefined())
  // The agent's words have taken the place of the line that stood for them.
  const { data: asked } = await opencode().session.message({ sessionID, messageID })
  expect(asked?.parts.map((part) => part.type === 'text' && part.text.trim())).toEqual(['play: say "Hello Ada"'])
  const { data: messages } = await opencode().session.messages({ sessionID })
  expect(messages?.at(-1)?.parts).toContainEqual(expect.objectContaining({ type: 'text', text: 'Hello Ada' }))
  const refused = await opencode().session.command({ ...call, messageID: newMessageId(), command: 'deploy' })
  expect(refused.error).toMatchObject({ error: 'KILO_COMMAND_ADMISSION_REJECTED' })
})

test('files of a prompt reach the agent, and images the model', async () => {
  const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
  const messageID = newMessageId()
  await aTurn(() =>
    opencode().session.promptAsync({
      ...{ sessionID, messageID },
      parts: [
        ...parts(say('Seen.')),
        { type: 'file', mime: 'image/png', filename: '../a dot.png', url: `data:image/png;base64,${dot}` },
        { type: 'file', mime: 'text/plain', filename: 'plan.md', url: 'data:,The%20plan' },
        { type: 'file', mime: 'text/plain', url: `file://${directory}/README.md` },
      ],
    }),
  )
  const { data } = await opencode().session.message({ sessionID, messageID })
  const files = data?.parts.flatMap((part) => (part.type === 'file' ? [part] : []))
  expect(files?.map(({ filename }) => filename)).toEqual(['a_dot.png', 'plan.md', 'README.md'])
  expect(files?.[0]?.url).toBe(`data:image/png;base64,${dot}`)
  const texts = data?.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
  expect(texts).toContain('The plan')
  expect(texts).toContain('An app.')
  const seen = (await (await corral.model()).requests()).findLast(({ lastUserText }) => lastUserText.includes('Seen.'))
  expect(seen).toMatchObject({ files: 1 })
})

test('questions of the agent and of its sub-agents are answered', async () => {
  await aTurn(async () => {
    await opencode().session.promptAsync({
      sessionID,
      parts: parts(ask('Which color?', 'Red', 'Blue'), say('Thank you.')),
    })
    const [question] = await eventually('the question', turnMs, async () => {
      const { data } = await opencode().question.list()
      return data?.length ? data : null
    })
    const requestID = question?.id ?? ''
    expect((await opencode().question.reply({ requestID, answers: [['Green', 'Red']] })).response?.status).toBe(400)
    expect((await opencode().question.reply({ requestID, answers: [['Blue']] })).data).toBe(true)
    expect((await kilo().question.reject({ requestID })).response?.status).toBe(409)
  })
  const { data: messages } = await opencode().session.messages({ sessionID })
  expect(JSON.stringify(messages?.at(-1)?.parts)).toContain('Thank you.')
  expect(JSON.stringify(messages)).toContain('Blue')
})

test("permissions are asked from the next session's policy on, also of a sub-agent", async () => {
  const made = await kilo().session.create({
    permission: [{ permission: 'bash', pattern: '*', action: 'ask' }],
    metadata: { repository: { gitUrl: repository } },
  })
  const other = made.data?.id ?? ''
  const own = createKiloClient(config('kilo', { directory: `/cloud-agent/sessions/${other}` }))
  const answering = own.session.prompt({
    sessionID: other,
    parts: parts(
      ...[bash('echo above'), task('Look', bash('echo below'), say('Below.'))],
      ...[bash('touch one'), bash('touch two'), bash('mkdir never'), bash('touch three'), say('Done with it.')],
    ),
  })
  const seen = new Set<string>()
  // What is allowed always is not asked again.
  for (const reply of ['once', 'once', 'always', 'reject'] as const) {
    const open = await eventually('a permission', turnMs, async () => {
      const { data } = await own.permission.list()
      return data?.find(({ id }) => !seen.has(id)) ?? null
    })
    seen.add(open.id)
    // A session of another's folder is no way to it.
    const sibling = await opencode().permission.reply({ requestID: open.id, reply })
    expect(sibling.response?.status).toBe(404)
    const message = reply === 'reject' ? 'Not that one.' : undefined
    expect((await own.permission.reply({ requestID: open.id, reply, message })).data).toBe(true)
  }
  const { data: answer } = await answering
  expect(answer?.parts).toContainEqual(expect.objectContaining({ text: 'Done with it.' }))
  const { data: messages } = await own.session.messages({ sessionID: other })
  expect(JSON.stringify(messages)).toContain('Not that one.')
})

test('all four clients list, read, and stop', async () => {
  const held = opencode().session.promptAsync({ sessionID, parts: parts(say('I begin.'), gate('held'), say('Never.')) })
  await held
  await (await corral.model()).waitAtGate('held', turnMs)
  const status = { [sessionID]: { type: 'busy' } }
  const [older, oldest] = [createKiloClient1(config('kilo')), createOpencodeClient1(config('opencode', { directory }))]
  expect((await older.session.status()).data).toMatchObject(status)
  expect((await opencode().session.status()).data).toEqual(status)

  const lists = [
    (await kilo().session.list()).data,
    (await older.session.list()).data,
    (await createOpencodeClient(config('opencode')).session.list()).data,
    (await createOpencodeClient1(config('opencode')).session.list()).data,
  ]
  for (const list of lists) {
    expect(list).toHaveLength(2)
    expect(list?.[0]).toMatchObject({ id: sessionID, title: 'From an SDK' })
  }
  const sessions = [
    (await kilo().session.get({ sessionID })).data,
    (await older.session.get({ path: { id: sessionID } })).data,
    (await opencode().session.get({ sessionID })).data,
    (await oldest.session.get({ path: { id: sessionID } })).data,
  ]
  for (const one of sessions) expect(one).toEqual(sessions[0])

  expect((await oldest.session.abort({ path: { id: sessionID } })).data).toBe(true)
  await eventually(
    'the stop',
    turnMs,
    () =>
      heard.some(({ type, properties }) => type === 'cloud.message.failed' && properties.reason === 'interrupted') ||
      null,
  )
  await eventually('nothing at work', turnMs, async () => {
    const { data } = await opencode().session.status()
    return Object.keys(data ?? {}).length === 0 ? true : null
  })
  for (const abort of [kilo().session.abort({ sessionID }), opencode().session.abort({ sessionID })]) {
    expect((await abort).data, 'also when idle').toBe(true)
  }
  const refused = await kilo().session.get({ sessionID: 'ses_nobody' })
  expect(refused.error).toMatchObject({ name: 'NotFoundError', data: { message: 'There is no such session.' } })
  await expect(kilo().session.get({ sessionID: 'ses_nobody' }, { throwOnError: true })).rejects.toThrow(
    'no such session',
  )
})

test("the transcript is the agent's own, part by part, but for places; and no place of the sandbox is in any structured member", async () => {
  const theirs = await agentExport(corral, { session, agentSessionId: sessionID, agent: 'opencode' })
  const { userId } = await corral.corral.call.getSession.query({ sessionId: session })
  const place = { workspacePath: `/workspace/${userId}/sessions/${session}`, home: `/home/${session}`, directory }
  const expected = theirs.messages.map(({ info, parts: own }) => ({
    info: projected(info, place).value,
    parts: own.map((part) => projected(part, place).value),
  }))
  const read = async () => (await opencode().session.messages({ sessionID })).data
  // The agent says last of all how the turn ended that was stopped.
  await expect.poll(read, { timeout: turnMs }).toEqual(expected)
  expect((await kilo().session.messages({ sessionID })).data).toEqual(expected)
  for (const client of [createKiloClient1(config('kilo')), createOpencodeClient1(config('opencode'))])
    expect((await client.session.messages({ path: { id: sessionID } })).data).toEqual(expected)
  const shown = await read()
  expect(placesIn(shown)).toEqual([])
  expect(placesIn(heard)).toEqual([])
  expect(JSON.stringify(shown), 'what a tool printed is as it was').toContain(place.workspacePath)
})

test('nothing that was shown had a place in an unknown member', async () => {
  const response = await fetch(`${corral.url}/metrics`, { headers: { 'x-internal-api-key': internalKey } })
  expect(/^corral_facade_places_replaced_total (\d+)$/m.exec(await response.text())?.[1]).toBe('0')
})

test('an answer that was given while the server goes, and the link with it, arrives once; the feed comes back by itself', async () => {
  const before = count('server.connected')
  await aTurn(async () => {
    await opencode().session.promptAsync({
      sessionID,
      parts: parts(ask('Which fruit?', 'Plum', 'Pear'), say('Eaten.')),
    })
    const requestID = await eventually('the question', turnMs, async () => {
      const { data } = await opencode().question.list()
      return data?.[0]?.id ?? null
    })
    const { supervisor } = await lookInside(await recordsOf(corral.home).sandboxInit(session))
    const frozen = supervisor ?? expect.fail('no supervisor')
    process.kill(frozen, 'SIGSTOP')
    try {
      expect((await opencode().question.reply({ requestID, answers: [['Pear']] })).data).toBe(true)
      await corral.kill()
      await corral.start()
      expect((await opencode().question.reply({ requestID, answers: [['Pear']] })).data, 'the same again').toBe(true)
    } finally {
      process.kill(frozen, 'SIGCONT')
    }
    await eventually('the SDK to be back', turnMs, () => (count('server.connected') > before ? true : null))
  })
  const replies = heard.filter(
    ({ type, properties }) => type === 'question.replied' && properties.answers !== undefined,
  )
  expect(replies.filter(({ properties }) => JSON.stringify(properties.answers) === '[["Pear"]]')).toHaveLength(1)
  const { data: messages } = await opencode().session.messages({ sessionID })
  expect(JSON.stringify(messages?.at(-1)?.parts)).toContain('Eaten.')
})

/** Members in which words of people and models stand, and what programs printed. */
const freeText =
  /^(text|output|content|command|prompt|oldString|newString|patch|diff|description|message|delta|preview|system|question)$/

function placesIn(value: unknown, at = ''): string[] {
  if (typeof value === 'string') return /\/workspace|\/home|^file:/.test(value) ? [`${at}: ${value}`] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) =>
    freeText.test(name) && typeof member === 'string' ? [] : placesIn(member, `${at}.${name}`),
  )
}
