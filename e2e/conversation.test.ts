/**
 * One conversation, from a back end that prepares a session to what is left of it: the seed's example client with its
 * own names, a branch that plain git sees, and every view of what happened.
 */
import { join } from 'node:path'
import type { AgentSessionId, ExecutionId, SessionId } from '@corral/protocol'
import type { AppRouter } from '@corral/server'
import { emptyTranscript, logEventOf, orderedMessages, reduce } from '@corral/transcript'
import { createTRPCClient, httpBatchLink } from '@trpc/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentExport } from './harness/agentExport.ts'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, internalKey, startInstallation } from './harness/installation.ts'
import { git, makeRepository, referencesOf } from './harness/repositories.ts'
import { bash, play, say, write } from './harness/script.ts'
import { openSocket, type SocketViewer } from './harness/socket.ts'
import { endingOf } from './harness/viewer.ts'

let corral: Installation
let repository: string
let session: SessionId
let kiloSessionId: AgentSessionId
let first: ExecutionId
let second: ExecutionId
let viewer: SocketViewer

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(() => corral?.end())

const client = (headers: Record<string, string>) =>
  createTRPCClient<AppRouter>({ links: [httpBatchLink({ url: `${corral.url}/trpc`, headers })] })
const bearer = { authorization: `Bearer ${apiKey}` }
const configuration = () => ({
  prompt: play(say('I take a note.'), write('notes.md', 'hello\n'), say('Noted.')),
  mode: 'code',
  model: 'scripted/demo',
  gitUrl: repository,
  autoCommit: true,
})

test('a session is prepared by a back end alone', async () => {
  await expect(client(bearer).prepareSession.mutate(configuration())).rejects.toMatchObject({
    data: { httpStatus: 401, reason: 'internal_key_required' },
  })
  const backEnd = client({ ...bearer, 'x-internal-api-key': internalKey })
  ;({ cloudAgentSessionId: session, kiloSessionId } = await backEnd.prepareSession.mutate(configuration()))
  expect(session).toMatch(/^agent_[0-9a-f-]{36}$/)
  expect(kiloSessionId).toMatch(/^ses_[0-9a-f]{12}[0-9A-Za-z]{14}$/)
})

test('what is prepared gets its workspace before anybody initiates it', async () => {
  const ready = await eventually('a workspace that is ready', 20_000, async () => {
    const view = await client(bearer).getSession.query({ cloudAgentSessionId: session })
    return view.workspace.state === 'ready' ? view : null
  })
  expect(ready).toMatchObject({ sandboxStatus: 'ready', execution: null, queuedCount: 0 })
  expect(ready.initiatedAt).toBeUndefined()
})

test('initiate, a ticket, the stream, and a follow-up, with the names of the seed', async () => {
  const user = client(bearer)
  const ack = await user.initiateFromKilocodeSessionV2.mutate({ cloudAgentSessionId: session })
  expect(ack).toEqual({
    cloudAgentSessionId: session,
    kiloSessionId,
    executionId: expect.stringMatching(/^exec_/),
    status: 'queued',
    streamUrl: `/stream?cloudAgentSessionId=${session}`,
  })
  first = ack.executionId
  viewer = await openSocket({ url: corral.url, apiKey, session })
  const end = await viewer.until('the end of the first turn', (event) => endingOf(event) !== null)
  expect(end).toMatchObject({ streamEventType: 'complete', executionId: first, data: { taskId: first, exitCode: 0 } })

  const followUp = play(bash('cat notes.md'), write('more.md', 'and more\n'), say('There is more now.'))
  second = (await user.sendMessageV2.mutate({ cloudAgentSessionId: session, prompt: followUp })).executionId
  const push = await viewer.until(
    'the second push',
    (event) => event.executionId === second && event.streamEventType === 'finalization' && event.data.kind === 'push',
  )
  expect(push.data).toMatchObject({ success: true, pushStatus: 'pushed', branch: `session/${session}` })
})

test('the other set of names is the same: initiated again, it is the same execution', async () => {
  const again = await client(bearer).initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
  expect(again).toMatchObject({ executionId: first, status: 'started' })
})

test('the branch is there for plain git, with one commit for each turn', async () => {
  const log = await git(repository, 'log', '--reverse', '--format=%an: %s%n%b', `main..session/${session}`)
  // The message is the model's: whoever asks the scripted one for a title gets this.
  expect(log).toContain('Corral: A scripted scenario')
  expect([...log.matchAll(/^Corral-Execution: (.*)$/gm)].map(([, id]) => id)).toEqual([first, second])
  expect(await git(repository, 'show', `session/${session}:notes.md`)).toBe('hello')
  expect(await referencesOf(repository)).toMatch(/^refs\/heads\/main \w+\nrefs\/heads\/session\/\S+ \w+$/)
})

test('getDiff is what git says', async () => {
  const diff = await corral.corral.call.getDiff.query({ cloudAgentSessionId: session })
  expect(diff.files).toEqual([
    { path: 'more.md', status: 'added', additions: 1, deletions: 0 },
    { path: 'notes.md', status: 'added', additions: 1, deletions: 0 },
  ])
  expect(diff.patch.trimEnd()).toBe(await git(repository, 'diff', 'main', `session/${session}`))
  expect(diff).toMatchObject({ branch: `session/${session}`, truncated: false })
})

test('getTiming tells the steps in order, none below zero, all within the total', async () => {
  const timing = await corral.corral.call.getTiming.query({ cloudAgentSessionId: session, executionId: first })
  expect(timing.steps.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      ...['sandbox_create', 'supervisor_connect', 'clone', 'branch', 'queue_wait', 'agent_start', 'agent_session'],
      ...['prompt_send', 'first_event', 'agent_execution', 'result_collection'],
    ]),
  )
  expect(timing.steps.map(({ startMs }) => startMs)).toEqual(
    timing.steps.map(({ startMs }) => startMs).toSorted((a, b) => a - b),
  )
  const end = Math.max(...timing.steps.map(({ startMs, durationMs }) => startMs + durationMs))
  for (const step of timing.steps) {
    expect(step.status, step.name).toBe('ok')
    expect(Math.min(step.startMs, step.durationMs), step.name).toBeGreaterThanOrEqual(0)
  }
  const { startTime, totalMs } = timing
  if (startTime === null || totalMs === null) throw new Error('a turn that is over has no total')
  // The total counts from the moment at which the execution was queued; this one was prepared before.
  expect(totalMs).toBeLessThanOrEqual(end)
  expect(totalMs).toBeGreaterThan(timing.agentExecutionMs ?? 0)
})

test('getMessageResult has the words, and waits no longer than it must', async () => {
  const begun = performance.now()
  const result = await corral.corral.call.getMessageResult.query({
    cloudAgentSessionId: session,
    executionId: second,
    waitMs: 30_000,
  })
  expect(performance.now() - begun).toBeLessThan(5_000)
  expect(result).toMatchObject({
    status: 'completed',
    assistant: { text: 'There is more now.' },
    finalization: [
      { kind: 'commit', success: true },
      { kind: 'push', success: true },
    ],
  })
})

describe('the transcript', () => {
  test("is the agent's own: the same messages, the same parts, in the same order", async () => {
    const ours = await corral.corral.exportSession(session)
    const theirs = await agentExport(corral, { session, agentSessionId: kiloSessionId, agent: 'opencode' })
    expect(ours.messages).toEqual(theirs.messages)
    expect(ours.messages.filter(({ info }) => info.role === 'user')).toHaveLength(2)
  })

  test('is what a viewer makes of the events', async () => {
    const transcript = reduce(emptyTranscript, viewer.events().map(logEventOf))
    const seen = orderedMessages(transcript).map(({ message, parts }) => ({ info: message.info, parts }))
    const { messages } = await corral.corral.exportSession(session)
    expect(seen).toEqual(messages)
  })
})
