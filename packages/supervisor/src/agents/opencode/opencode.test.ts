/** The real agents with the scripted model behind the real door: what their turns become in the log. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AskAnswer, type ExecuteParams, type Permissions, vocabulary } from '@corral/protocol'
import type { ScriptedModelControl } from '@corral/scripted-model'
import { describe, expect, it } from 'vitest'
import { agentMark, processesWith } from '../../host/processes.ts'
import { agentOf, boundMs, createConversation, killAgent, kilocode, skip, textOf } from '../../testing/conversation.ts'
import { installedAgent } from '../../testing/installedAgent.ts'

const store = process.env.CORRAL_AGENTS_DIR
const opencode = installedAgent('opencode@1.18.33', store)
const kilo = installedAgent('kilo@7.7.2', store)
const messagesAsked = async (control: ScriptedModelControl) =>
  (await control.requests()).map(({ scenario, messages }) => `${scenario} ${messages}`)

describe('OpenCode', () => {
  it('plays a conversation: answers, sub-agents, a stop, its own death', { timeout: 300_000 }, async (context) => {
    if (skip(opencode)) return context.skip(String(skip(opencode)))
    await using conversation = await createConversation(agentOf(opencode))
    const { bench, control, ask, end, of } = conversation
    await bench.start()
    await conversation.prepare()

    // An answer, under our ids and our title.
    const first = await ask('play: say "Hello there friend" | write hello.txt "hi" | say "written"')
    expect((await end(first)).data).toMatchObject({
      result: 'completed',
      begun: true,
      workspace: { branch: `session/${bench.session}`, diff: { files: [{ path: 'hello.txt', status: 'added' }] } },
    })
    const events = of(first)
    expect(events.map(({ type }) => type).filter((type) => type !== 'kilocode' && type !== 'status')).toEqual([
      'accepted',
      'started',
      'outcome',
    ])
    const steps = events.filter(({ type, data }) => type === 'status' && data.state !== 'running')
    expect(steps.map(({ data }) => `${data.step} ${data.state}`)).toEqual([
      'agent_start ok',
      'agent_session ok',
      'prompt_send ok',
      'first_event ok',
    ])
    expect(kilocode(events, 'message.updated')[0]).toMatchObject({
      info: { id: first.messageId, role: 'user', sessionID: conversation.agentSessionId },
    })
    expect(kilocode(events, 'message.updated')[1]).toMatchObject({ info: { parentID: first.messageId } })
    expect(JSON.stringify(events)).not.toContain('zCorral')
    expect(kilocode(events, 'session.updated').at(-1)).toMatchObject({ info: { title: first.title } })
    const deltas = kilocode(events, 'message.part.delta').map((properties) => Object(properties).delta)
    expect(deltas.join('')).toBe('Hello there friendwritten')
    expect(textOf(events)).toEqual(['Hello there friend', 'written'])

    // A follow-up whose id was minted long before, answered with the whole history.
    const second = await ask('play: say "and again"', { messageId: 'msg_000000000000AAAAAAAAAAAAAA' })
    expect((await end(second)).data).toMatchObject({ result: 'completed' })
    expect(await messagesAsked(control)).toEqual(['play 2', 'play 4', 'play 6'])

    // Another title, while it runs.
    const { agentSessionId } = conversation
    const renaming = { session: bench.session, agentSessionId, title: 'Chosen by hand' }
    expect(await bench.server.call('session.rename', renaming)).toEqual({ taken: true })

    // A sub-agent's end is not the turn's end, and its work is told.
    const third = await ask('play: task "Look" { say "from below" } | say "from above"')
    expect((await end(third)).data).toMatchObject({ result: 'completed' })
    expect(textOf(of(third))).toEqual(['from below', 'from above'])
    const idle = kilocode(of(third), 'session.status').filter((properties) => Object(properties).status.type === 'idle')
    expect(idle).toHaveLength(2)

    // Stopped in the middle: nothing runs, no outcome, and it never runs again.
    const fourth = await ask('play: say "before " | gate hold | say "after"')
    await control.waitAtGate('hold', boundMs)
    const stop = { session: bench.session, executionId: fourth.executionId, attempt: 1 }
    await bench.server.call('session.interrupt', stop)
    expect((await end(fourth)).type).toBe('stopped')
    await expect(bench.server.call('session.execute', { ...fourth, attempt: 2 })).rejects.toThrow('interrupted')

    // Killed in the middle of a tool: told as begun, its tools are gone, and the next message works.
    const fifth = await ask('play: say "look" | bash "echo up; sleep 600" | say "after"')
    await bench.server.until(() => JSON.stringify(of(fifth)).includes('"output":"up\\n"'), boundMs)
    await killAgent(bench)
    expect((await end(fifth)).data).toMatchObject({ result: 'failed', reason: 'agent_restarted', begun: true })
    expect(processesWith(agentMark(bench.session))).toHaveLength(1)
    const sixth = await ask('play: fail 402')
    expect((await end(sixth)).data).toMatchObject({ result: 'failed', reason: 'insufficient_credits' })
    const seventh = await ask('play: say "still here"')
    expect((await end(seventh)).data).toMatchObject({ result: 'completed' })
    expect(textOf(of(seventh))).toEqual(['still here'])

    // Ended by the kernel for want of memory: that is the reason, and the next message works.
    const eighth = await ask('play: say "before " | gate starve | say "after"')
    await control.waitAtGate('starve', boundMs)
    writeFileSync(join(bench.root, 'memory-kills'), 'oom_kill 1\n')
    await killAgent(bench)
    expect((await end(eighth)).data).toMatchObject({ result: 'failed', reason: 'out_of_memory', begun: true })
    expect(of(eighth)).toContainEqual(
      expect.objectContaining({ type: 'status', data: expect.objectContaining({ reason: 'out_of_memory' }) }),
    )
    const ninth = await ask('play: say "fed again"')
    expect((await end(ninth)).data).toMatchObject({ result: 'completed' })
  })

  it('goes on after its supervisor was killed in the middle of a turn', { timeout: 300_000 }, async (context) => {
    if (skip(opencode)) return context.skip(String(skip(opencode)))
    await using conversation = await createConversation(agentOf(opencode))
    const { bench, ask, end, of } = conversation
    const supervisor = await bench.startProcess()
    await conversation.prepare()
    const first = await ask('play: say "one two three" | bash "echo done; sleep 600"')
    await bench.server.until(() => JSON.stringify(of(first)).includes('"output":"done\\n"'), boundMs)
    await bench.server.close()
    supervisor.kill('SIGKILL')
    await bench.server.listen()

    bench.server.assign(bench.session, { mayRun: first.executionId })
    await bench.startProcess()
    expect(bench.server.hellos.at(-1)).toMatchObject({
      incarnation: 2,
      sessions: [
        { running: { executionId: first.executionId, attempt: 1, begun: true }, workspace: { state: 'ready' } },
      ],
    })
    expect((await end(first)).data).toMatchObject({ result: 'failed', reason: 'agent_restarted', begun: true })
    expect(textOf(of(first))).toContain('one two three')
    expect(processesWith(agentMark(bench.session))).toEqual([])

    const second = await ask('play: say "on we go"')
    expect((await end(second)).data).toMatchObject({ result: 'completed' })
    expect(textOf(of(second))).toEqual(['on we go'])
  })
})

/** One who answers the first ask of its kind with what a person would say. */
async function answerAsk(
  { bench, of }: Awaited<ReturnType<typeof createConversation>>,
  params: ExecuteParams,
  type: 'permission.asked' | 'question.asked',
  answer: AskAnswer,
): Promise<string> {
  const [asked] = await bench.server.until(() => {
    const found = kilocode(of(params), type)
    return found.length > 0 && found
  }, boundMs)
  const { id } = vocabulary[type].parse(asked)
  const command = { session: bench.session, executionId: params.executionId, askId: id, answer }
  await bench.server.call('session.answer', command)
  return id
}

const asking: Permissions = {
  default: 'auto',
  rules: [
    { tool: 'bash', action: 'ask' },
    { tool: 'question', action: 'ask' },
  ],
}

describe.each([
  ['OpenCode', opencode],
  ['Kilo', kilo],
])('%s asks', (_, found) => {
  it('and goes on with the answers, each taken once', { timeout: 300_000 }, async (context) => {
    if (skip(found)) return context.skip(String(skip(found)))
    await using conversation = await createConversation(agentOf(found))
    const { bench, ask, end, of } = conversation
    await bench.start()
    await conversation.prepare()
    const first = await ask('play: bash "find . -name x" | ask "Which?" "A" "B" | say "so be it"', {
      permissions: asking,
    })
    const reply = { kind: 'reply', reply: 'once' } as const
    const permission = await answerAsk(conversation, first, 'permission.asked', reply)
    await answerAsk(conversation, first, 'question.asked', { kind: 'answers', answers: [['B']] })
    expect((await end(first)).data).toMatchObject({ result: 'completed' })
    expect(kilocode(of(first), 'permission.replied')).toMatchObject([{ requestID: permission, reply: 'once' }])
    expect(kilocode(of(first), 'question.replied')).toMatchObject([{ answers: [['B']] }])
    expect(textOf(of(first))).toEqual(['so be it'])

    const late = { session: bench.session, executionId: first.executionId, askId: permission, answer: reply }
    await bench.server.call('session.answer', late)
    await bench.server.event('ask_gone', ({ data }) => data.askId === permission)
  })
})

describe('OpenCode', () => {
  it('asks nobody where the policy decides, and keeps to what its mode forbids', {
    timeout: 300_000,
  }, async (context) => {
    if (skip(opencode)) return context.skip(String(skip(opencode)))
    await using conversation = await createConversation(agentOf(opencode))
    const { bench, ask, end, of } = conversation
    await bench.start()
    await conversation.prepare()
    const own = join(bench.workspacePath, 'opencode.json')
    writeFileSync(own, JSON.stringify({ agent: { general: { permission: { bash: 'allow' } } } }))
    const looser = await ask('play: say "Never."', { permissions: asking })
    expect((await end(looser)).data).toMatchObject({
      result: 'failed',
      reason: 'invalid_configuration',
      message: expect.stringContaining('agent "general" may use "bash"'),
    })
    rmSync(own)

    const planning = { mode: { name: 'plan', fallback: 'plan' as const } }
    const planned = await ask('play: write plan.txt "x" | say "I only plan."', planning)
    expect((await end(planned)).data).toMatchObject({ result: 'completed', workspace: { diff: { files: [] } } })
    const denying: Permissions = { default: 'auto', rules: [{ tool: 'bash', action: 'deny' }] }
    const denied = await ask('play: task "Look" { bash "find . -name x" | say "below" } | say "above"', {
      permissions: denying,
    })
    expect((await end(denied)).data).toMatchObject({ result: 'completed' })
    for (const params of [planned, denied]) expect(kilocode(of(params), 'permission.asked')).toEqual([])
  })
})

describe('Kilo', () => {
  it('answers a follow-up with an older id with the whole history', { timeout: 300_000 }, async (context) => {
    if (skip(kilo)) return context.skip(String(skip(kilo)))
    await using conversation = await createConversation(agentOf(kilo))
    const { bench, control, ask, end, of } = conversation
    await bench.start()
    await conversation.prepare()
    const first = await ask('play: say "one"')
    expect((await end(first)).data).toMatchObject({ result: 'completed' })
    const second = await ask('play: say "two"', { messageId: 'msg_000000000000AAAAAAAAAAAAAA' })
    expect((await end(second)).data).toMatchObject({ result: 'completed' })
    expect([textOf(of(first)), textOf(of(second))]).toEqual([['one'], ['two']])
    expect(await messagesAsked(control)).toEqual(['play 2', 'play 4'])
  })
})
