/** The real agents, started and warmed up before their first prompt. */
import { readFileSync } from 'node:fs'
import { type ExecuteParams, warmUpModel } from '@corral/protocol'
import { describe, expect, it } from 'vitest'
import { agentMark, processesWith } from '../../host/processes.ts'
import type { Bench } from '../../testing/bench.ts'
import { executeParams } from '../../testing/commands.ts'
import { agentOf, boundMs, createConversation, killAgent, kilocode, skip, textOf } from '../../testing/conversation.ts'
import { installedAgent } from '../../testing/installedAgent.ts'

const store = process.env.CORRAL_AGENTS_DIR
const opencode = installedAgent('opencode@1.18.33', store)
const kilo = installedAgent('kilo@7.7.2', store)

/** All sessions that the agent has, by its own word. */
async function sessionsOf(bench: Bench): Promise<string[]> {
  const [leader] = processesWith(agentMark(bench.session))
  if (!leader) throw new Error('the agent does not run')
  const environment = readFileSync(`/proc/${leader.pid}/environ`, 'utf8')
  const password = /OPENCODE_SERVER_PASSWORD=([^\0]*)/.exec(environment)?.[1]
  const port = /--port\0(\d+)/.exec(readFileSync(`/proc/${leader.pid}/cmdline`, 'utf8'))?.[1]
  const authorization = `Basic ${Buffer.from(`corral:${password}`).toString('base64')}`
  const answer = await fetch(`http://127.0.0.1:${port}/session`, { headers: { authorization } })
  const sessions: { id: string }[] = await answer.json()
  return sessions.map(({ id }) => id)
}

const leaders = (bench: Bench) => processesWith(agentMark(bench.session)).map(({ pid }) => pid)

describe.each([
  ['OpenCode', opencode],
  ['Kilo', kilo],
])('%s', (_, found) => {
  it('is warm for its first prompt, and nothing tells how', { timeout: 300_000 }, async (context) => {
    if (skip(found)) return context.skip(String(skip(found)))
    await using conversation = await createConversation(agentOf(found))
    const { bench, control, agentSessionId, ask, end, of } = conversation
    await bench.start()
    await conversation.prepare()
    await bench.server.call('session.warm', executeParams(bench, agentOf(found), '', { agentSessionId }))
    const warmed = await bench.server.until(() => bench.server.events.find(({ type }) => type === 'warmed'), boundMs)
    expect(warmed.data).toEqual({ agentRuns: true })
    const told = bench.server.events.filter(({ type }) => type !== 'warmed')
    expect(told.filter(({ data }) => data.state === 'ok').map(({ data }) => data.step)).toEqual(
      expect.arrayContaining(['agent_start', 'agent_session']),
    )
    expect(told.filter(({ type }) => type === 'kilocode')).toEqual([])
    expect(JSON.stringify(told)).not.toMatch(/warm/i)
    expect(await sessionsOf(bench)).toEqual([agentSessionId])
    expect((await control.requests()).map(({ model }) => model)).toEqual([warmUpModel])

    const before = leaders(bench)
    const first = await ask('play: say "Hello there"')
    expect((await end(first)).data).toMatchObject({ result: 'completed', agentRuns: true })
    expect(leaders(bench)).toEqual(before)
    expect(textOf(of(first))).toEqual(['Hello there'])
    expect(kilocode(of(first), 'message.updated').map((properties) => Object(properties).info.sessionID)).toEqual(
      expect.not.arrayContaining([expect.not.stringMatching(agentSessionId)]),
    )
    const steps = of(first).flatMap(({ data }) => (data.state === 'ok' ? [data.step] : []))
    expect(steps).toEqual(['prompt_send', 'first_event'])
    expect(await sessionsOf(bench)).toEqual([agentSessionId])
  })
})

describe('OpenCode', () => {
  it('that is killed while it warms up leaves nothing of that', { timeout: 300_000 }, async (context) => {
    if (skip(opencode)) return context.skip(String(skip(opencode)))
    await using conversation = await createConversation(agentOf(opencode), { gateway: 'later' })
    const { bench, agentSessionId, ask, end, of } = conversation
    await bench.start()
    await conversation.prepare()
    // Nobody is behind the door yet, so the call of the model waits there.
    const params: ExecuteParams = executeParams(bench, agentOf(opencode), '', { agentSessionId })
    await bench.server.call('session.warm', params)
    await bench.server.until(() => bench.server.events.some(({ data }) => data.step === 'agent_session'), boundMs)
    await expect.poll(() => sessionsOf(bench).catch(() => []), { timeout: boundMs }).toHaveLength(2)
    await killAgent(bench)
    expect((await bench.server.event('warmed')).data).toEqual({ agentRuns: false })

    await conversation.openGateway()
    const first = await ask('play: say "Hello there"')
    expect((await end(first)).data).toMatchObject({ result: 'completed' })
    expect(textOf(of(first))).toEqual(['Hello there'])
    expect(await sessionsOf(bench)).toEqual([agentSessionId])
  })
})
