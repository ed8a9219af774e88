/**
 * Questions and permissions: the turn waits, whoever may answers from anywhere, the agent gets the answer once, and what
 * nobody needs an answer to any more says so.
 */
import { join } from 'node:path'
import type { AskView, ExecutionId, Permissions, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from './harness/installation.ts'
import { startAtTerminal } from './harness/pseudoTerminal.ts'
import { makeRepository } from './harness/repositories.ts'
import { ask, bash, play, say, task } from './harness/script.ts'
import { openSocket } from './harness/socket.ts'
import { toolOutputs } from './harness/tools.ts'
import { follow, type Viewer } from './harness/viewer.ts'
import { lookInside } from './kills/inside.ts'
import { recordsOf } from './kills/records.ts'

const askMs = 60_000

let corral: Installation
let repository: string
let session: SessionId
let viewer: Viewer

const permissions: Permissions = {
  default: 'auto',
  rules: [
    { tool: 'bash', action: 'ask' },
    { tool: 'bash', pattern: 'date *', action: 'auto' },
    { tool: 'bash', pattern: 'uname *', action: 'deny' },
    { tool: 'question', action: 'ask' },
  ],
}

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(async () => {
  viewer?.close()
  await corral?.end()
})

const call = () => corral.corral.call
const asks = async (state?: AskView['state']) =>
  (await call().listAsks.query({ cloudAgentSessionId: session, state })).asks

async function send(...steps: string[]): Promise<ExecutionId> {
  const ack = await call().sendMessage.mutate({ cloudAgentSessionId: session, prompt: play(...steps) })
  return ack.executionId
}
const openAsk = (kind: AskView['kind']): Promise<AskView> =>
  eventually(`an open ${kind}`, askMs, async () => (await asks('open')).find((open) => open.kind === kind) ?? null)

const answerQuestion = (questionId: string, answers: string[][]) =>
  call().answerQuestion.mutate({ cloudAgentSessionId: session, questionId, answers })
const answerPermission = (permissionId: string, reply: 'once' | 'always' | 'reject', message?: string) =>
  call().answerPermission.mutate({ cloudAgentSessionId: session, permissionId, reply, message })
const refused = (reason: string, httpStatus: number) => expect.objectContaining({ reason, httpStatus })

test('a permission: the turn waits for it, and goes on with the answer', async () => {
  const ack = await call().start.mutate({
    prompt: play(say('I look.'), bash('echo allowed'), say('Seen.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    permissions,
  })
  session = ack.cloudAgentSessionId
  viewer = follow(corral.corral, session)
  const open = await openAsk('permission')
  expect(open).toMatchObject({
    state: 'open',
    executionId: ack.executionId,
    request: { permission: 'bash', patterns: ['echo allowed'], sessionID: ack.kiloSessionId },
  })

  const late = await openSocket({ url: corral.url, apiKey, session }, { replay: 'false' })
  await eventually('the state', 10_000, () => late.connected()[0] ?? null)
  expect(late.connected()[0]?.data).toMatchObject({
    status: 'busy',
    questions: [],
    permissions: [{ id: open.id, permission: 'bash', executionId: ack.executionId }],
  })
  late.close()

  expect(await answerPermission(open.id, 'once')).toEqual({ success: true })
  expect(await viewer.ended(ack.executionId)).toMatchObject({ streamEventType: 'complete' })
  expect(toolOutputs(viewer, ack.executionId)).toEqual([expect.stringContaining('allowed')])
  expect(await answerPermission(open.id, 'once'), 'the same again').toEqual({ success: true })
  await expect(answerPermission(open.id, 'reject')).rejects.toEqual(refused('already_answered', 409))
  const told = viewer.events.filter(
    (event) => event.streamEventType === 'kilocode' && event.data.type.startsWith('permission.'),
  )
  expect(told.map(({ data }) => data)).toMatchObject([
    { type: 'permission.asked', properties: { id: open.id } },
    { type: 'permission.replied', properties: { requestID: open.id, reply: 'once', by: 'user' } },
  ])
})

test('a question: answers that do not fit change nothing, the first that fits is the answer', async () => {
  const execution = await send(ask('Which color?', 'Red', 'Blue'), say('Thank you.'))
  const { id, request } = await openAsk('question')
  expect(request).toMatchObject({ questions: [{ question: 'Which color?' }] })
  for (const answers of [[], [['Red'], ['Blue']], [['Red', 'Blue']], [['']]]) {
    await expect(answerQuestion(id, answers), JSON.stringify(answers)).rejects.toEqual(refused('invalid_input', 400))
  }
  await expect(answerPermission(id, 'once')).rejects.toEqual(refused('permission_not_found', 404))
  expect(await asks('open')).toHaveLength(1)

  const both = await Promise.allSettled([answerQuestion(id, [['Red']]), answerQuestion(id, [['Blue']])])
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { reason: 'already_answered' } })
  const color = both[0]?.status === 'fulfilled' ? 'Red' : 'Blue'
  expect(await viewer.ended(execution)).toMatchObject({ streamEventType: 'complete' })
  expect(toolOutputs(viewer, execution)).toEqual([expect.stringContaining(color)])
})

describe('what the policy says of', () => {
  test('auto: nobody is asked; deny: it is refused, and the turn goes on', async () => {
    const execution = await send(bash('date -u'), bash('uname -a'), say('Done.'))
    expect(await viewer.ended(execution)).toMatchObject({ streamEventType: 'complete' })
    const outputs = toolOutputs(viewer, execution)
    expect(outputs[0]).toMatch(/UTC/)
    expect(outputs[1]).toMatch(/prevents|denied|deny/)
  })
})

test('a rejected permission is one tool that did not work', async () => {
  const execution = await send(bash('echo never'), say('Then not.'))
  const { id } = await openAsk('permission')
  await answerPermission(id, 'reject', 'Use the other one.')
  expect(await viewer.ended(execution)).toMatchObject({ streamEventType: 'complete' })
  expect(toolOutputs(viewer, execution)).toEqual([expect.stringContaining('Use the other one.')])
})

test("a sub-agent's permission is answered like any other", async () => {
  const execution = await send(task('Look', bash('echo from below'), say('Below.')), say('Above.'))
  const open = await openAsk('permission')
  expect(open.request.sessionID).not.toBe(
    (await call().getSession.query({ cloudAgentSessionId: session })).kiloSessionId,
  )
  await answerPermission(open.id, 'once')
  expect(await viewer.ended(execution)).toMatchObject({ streamEventType: 'complete' })
  expect(toolOutputs(viewer, execution).join()).toContain('from below')
})

test('after the end nothing is open any more', async () => {
  const execution = await send(ask('Still there?'), say('Never said.'))
  const { id } = await openAsk('question')
  await call().interruptSession.mutate({ cloudAgentSessionId: session })
  await viewer.ended(execution)
  await expect(answerQuestion(id, [['Yes']])).rejects.toEqual(refused('no_longer_open', 409))
  expect(await asks('open')).toEqual([])
  const last = viewer.events.filter(({ executionId }) => executionId === execution)
  const closed = last.findIndex(
    (event) => event.streamEventType === 'kilocode' && event.data.type === 'question.rejected',
  )
  expect(closed).toBeGreaterThan(0)
  expect(closed).toBeLessThan(last.findIndex(({ streamEventType }) => streamEventType === 'interrupted'))
})

describe('at the command line', () => {
  const run = (...args: string[]) => corral.command(args)

  test('asks shows what is open, and answer answers it', async () => {
    const execution = await send(ask('Which color?', 'Red', 'Blue'), bash('echo also'), say('Thank you.'))
    const question = await openAsk('question')
    expect((await run('asks', session)).stdout).toBe(`${question.id}  question  Which color?\n`)
    expect(await run('answer', session, question.id, '2')).toMatchObject({ code: 0, stdout: 'Answered.\n' })

    const permission = await openAsk('permission')
    expect((await run('answer', session, permission.id, 'perhaps')).stderr).toMatch(/one of once, always, reject/)
    expect(await run('--json', 'answer', session, permission.id, 'once')).toMatchObject({ code: 0, stderr: '' })
    await viewer.ended(execution)
    expect(toolOutputs(viewer, execution)).toEqual([expect.stringContaining('Blue'), expect.stringContaining('also')])
    expect((await run('answer', session, permission.id, 'reject')).stderr).toMatch(/has another answer already/)
    expect((await run('answer', session, 'que_other', 'Red')).stderr).toMatch(/corral asks agent_/)
  })

  const prompt = play(bash('echo hello'), say('Done.'))
  const watch = ['run', prompt, '--repo', '', '--ask', 'bash', '--no-commit']

  test('who watches in a pipe is told how to answer', async () => {
    const watching = corral.startCommand(watch.with(3, repository))
    try {
      const [, where, which] = await eventually('the command to answer with', askMs, () =>
        /corral answer (agent_\S+) (per_\S+) once/.exec(watching.output.stderr),
      )
      expect(await run('answer', where ?? '', which ?? '', 'once')).toMatchObject({ code: 0 })
      expect(await watching.ended()).toMatchObject({ code: 0, stdout: 'Done.\n' })
    } finally {
      watching.process.kill('SIGKILL')
    }
  })

  test('who watches at a terminal is asked there', async ({ skip }) => {
    const terminal = startAtTerminal(corral, watch.with(3, repository))
    if (!terminal) return skip('there is no program "script" (util-linux), which lends a terminal')
    try {
      await eventually('the question at the terminal', askMs, () =>
        /asks to use bash:\s+echo hello/.test(terminal.shown()) ? true : null,
      )
      terminal.type('perhaps not\r')
      const end = await terminal.ended
      expect(terminal.shown()).toMatch(/perhaps not[\s\S]*Done\.[\s\S]*done in/)
      expect(end).toBe(0)
    } finally {
      terminal.kill()
    }
  })
})

describe('always', () => {
  test('is remembered in this session, also by the next agent', async () => {
    const first = await send(bash('ls README.md'), say('One.'))
    await answerPermission((await openAsk('permission')).id, 'always')
    await viewer.ended(first)
    const init = await recordsOf(corral.home).sandboxInit(session)
    const [agent] = (await lookInside(init)).agents
    process.kill(agent ?? expect.fail('no agent'), 'SIGKILL')

    const second = await send(bash('ls -a'), say('Two.'))
    expect(await viewer.ended(second)).toMatchObject({ streamEventType: 'complete' })
    expect(toolOutputs(viewer, second)).toEqual([expect.stringContaining('README.md')])
  })
})

describe('what nobody answers in time', () => {
  beforeAll(async () => {
    await corral.stop()
    await corral.start({ CORRAL_TEST_TIMERS: 'askMs=2000' })
  })

  test('is refused with the reason, and the turn goes on', async () => {
    const execution = await send(bash('echo never'), ask('Anybody?'), say('I went on.'))
    expect(await viewer.ended(execution)).toMatchObject({ streamEventType: 'complete' })
    const [refusal, dismissal] = toolOutputs(viewer, execution)
    expect(refusal).toContain('Nobody answered within 2 s')
    expect(dismissal).toMatch(/dismissed/)
    const ofIt = (await asks()).filter(({ executionId }) => executionId === execution)
    expect(ofIt.map(({ kind, state }) => `${kind} ${state}`)).toEqual(['permission expired', 'question expired'])
    await expect(answerPermission(ofIt[0]?.id ?? '', 'once')).rejects.toEqual(refused('no_longer_open', 409))
    const told = viewer.events.flatMap((event) =>
      event.executionId === execution && event.streamEventType === 'kilocode' && event.data.properties.by === 'deadline'
        ? [event.data.type]
        : [],
    )
    expect(told).toEqual(['permission.replied', 'question.rejected'])
  })
})
