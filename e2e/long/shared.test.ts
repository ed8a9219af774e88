/**
 * Three sessions of one user in one sandbox: they work at the same time, each with a log, a queue and a workspace of its
 * own; what ends one of them ends nothing of the others.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { bash, gate, play, say } from '../harness/script.ts'
import { toolOutputs } from '../harness/tools.ts'
import { follow, type Viewer } from '../harness/viewer.ts'
import { type Inside, lookInside } from '../kills/inside.ts'
import { recordsOf } from '../kills/records.ts'

type Shared = { session: SessionId; first: ExecutionId; viewer: Viewer }

let corral: Installation
let repository: string
let sessions: [Shared, Shared, Shared]

/** Of three agents that start one after the other, on a machine that is busy. */
const agentsMs = 60_000

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(async () => {
  for (const { viewer } of sessions ?? []) viewer.close()
  await corral?.end()
})

/** Nobody may; what nobody is known by would be 401. */
const publish = `node -e "fetch(process.env.npm_config_registry + 'x', { method: 'PUT' }).then((it) => console.log(it.status))"`

async function begin(...steps: string[]): Promise<Shared> {
  const { cloudAgentSessionId: session, executionId: first } = await corral.corral.call.start.mutate({
    prompt: play(...steps),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    isolation: 'shared',
  })
  return { session, first, viewer: follow(corral.corral, session) }
}
async function send({ session }: Shared, ...steps: string[]): Promise<ExecutionId> {
  const prompt = play(...steps)
  return (await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt })).executionId
}
const atGate = async (name: string) => (await corral.model()).waitAtGate(name, agentsMs)
const release = async (name: string) => (await corral.model()).release(name)
const view = ({ session }: Shared) => corral.corral.call.getSession.query({ cloudAgentSessionId: session })
const records = () => recordsOf(corral.home)
/** Of all sandboxes; null while some are just being removed. */
const files = () =>
  readdir(join(corral.home, 'sandboxes'), { recursive: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  })
const gone = ({ session }: Shared) =>
  eventually('the end of its files', 30_000, async () => {
    const left = await files()
    return left?.every((name) => !name.includes(session)) || null
  })
/** Also what has left its agent, to run on in the background. */
async function programsIn(of: Shared): Promise<string[]> {
  const { agents, tools } = await inside(of)
  const pids = [...agents, ...tools.map(({ pid }) => pid)]
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.map((line) => line.replaceAll('\0', ' ').trim())
}
const inside = async (of: Shared): Promise<Inside> => lookInside(await records().sandboxInit(of.session))

test('the second and the third come into the sandbox that the first one is in, and all three work at once', async () => {
  const one = await begin(
    say('I am one.'),
    bash('echo one > mine; pwd; echo $HOME; cat mine'),
    gate('one'),
    say('One.'),
  )
  await atGate('one')
  const init = await records().sandboxInit(one.session)
  const others = ['two', 'three'].map((name) =>
    begin(say(`I am ${name}.`), bash(`echo ${name} > mine; cat mine; ${publish}`), gate(name), say(`${name} ends.`)),
  )
  const [two, three] = await Promise.all(others)
  if (!two || !three) throw new Error('no sessions')
  sessions = [one, two, three]
  await Promise.all([atGate('two'), atGate('three')])

  const views = await Promise.all(sessions.map(view))
  expect(new Set(views.map(({ sandboxId }) => sandboxId)).size).toBe(1)
  expect(views[0]?.sandboxId).not.toContain('__ses:')
  expect(views.map(({ execution }) => execution?.status)).toEqual(['running', 'running', 'running'])
  expect(new Set(await Promise.all(sessions.map(({ session }) => records().sandboxInit(session))))).toEqual(
    new Set([init]),
  )
  expect((await inside(one)).agents).toHaveLength(3)
})

test('each has its own log, with its own workspace and home in it', async () => {
  await Promise.all(['one', 'two', 'three'].map(release))
  for (const { viewer, first } of sessions) {
    expect(await viewer.ended(first)).toMatchObject({ streamEventType: 'complete' })
  }
  const outputs = sessions.map(({ viewer, first }) => toolOutputs(viewer, first).join('\n'))
  const [one] = sessions
  expect(outputs[0]).toMatch(new RegExp(`sessions/${one.session}\n/home/${one.session}\none`))
  // Registries are called without a token; whose the call is, the gateway knows all the same.
  expect(outputs[1]?.trim()).toBe('two\n405')
  expect(outputs[2]?.trim()).toBe('three\n405')
  for (const [i, { session, viewer, first }] of sessions.entries()) {
    const rows = await records().events(session)
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, at) => at + 1))
    expect(rows.filter(({ ends }) => ends)).toHaveLength(1)
    const names = ['I am one.', 'I am two.', 'I am three.']
    const text = rows.map(({ data }) => data).join('\n')
    expect(names.map((name) => text.includes(name))).toEqual(names.map((_, at) => at === i))
    expect(new Set(viewer.events.flatMap(({ executionId }) => executionId ?? []))).toEqual(new Set([first]))
  }
})

test('Stop of one ends its programs, and nothing of the others', async () => {
  const [one, two, three] = sessions
  const [stopped, ...going] = await Promise.all([
    send(one, bash('sleep 297')),
    send(two, bash('setsid sleep 298 > /dev/null 2>&1 & echo started'), gate('two-again'), say('Two goes on.')),
    send(three, gate('three-again'), say('Three goes on.')),
  ])
  await Promise.all([atGate('two-again'), atGate('three-again')])
  const sleeps = () => programsIn(one)
  await eventually('the tool', 30_000, async () => (await sleeps()).includes('sleep 297') || null)
  await corral.corral.call.interruptSession.mutate({ cloudAgentSessionId: one.session })
  expect(await one.viewer.ended(stopped)).toMatchObject({ streamEventType: 'interrupted' })
  await eventually('the end of the tool', 15_000, async () => !(await sleeps()).includes('sleep 297') || null)
  const next = await send(one, say('I am back.'))
  expect(await one.viewer.ended(next)).toMatchObject({ streamEventType: 'complete' })

  expect(await sleeps()).toContain('sleep 298')
  for (const session of [two, three]) expect((await view(session)).execution?.status).toBe('running')
  await Promise.all(['two-again', 'three-again'].map(release))
  for (const [i, execution] of going.entries())
    expect(await sessions[i === 0 ? 1 : 2].viewer.ended(execution)).toMatchObject({ streamEventType: 'complete' })
})

test('deleted in the middle of its work, one leaves nothing behind, and the others go on', async () => {
  const [one, two, three] = sessions
  // As the caches of some tools are: its owner may not remove it as it is.
  const stubborn = 'mkdir -p ~/cache/deep && touch ~/cache/deep/file && chmod -R a-w ~/cache'
  await send(one, bash(stubborn), gate('never'), say('Never.'))
  const going = await send(two, gate('two-once-more'), say('Two still goes on.'))
  await Promise.all([atGate('never'), atGate('two-once-more')])
  const before = await inside(two)
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: one.session })
  await gone(one)
  await release('never')

  const after = await inside(two)
  expect(after).toMatchObject({ init: before.init, supervisor: before.supervisor })
  expect(after.agents).toHaveLength(before.agents.length - 1)
  await release('two-once-more')
  expect(await two.viewer.ended(going)).toMatchObject({ streamEventType: 'complete' })
  const [kept] = await Promise.all([send(three, bash('cat mine'))])
  expect(await three.viewer.ended(kept)).toMatchObject({ streamEventType: 'complete' })
  expect(toolOutputs(three.viewer, kept).join('').trim()).toBe('three')
})

test('idle, the sandbox is stopped with the last of them, and removed with the last of them', async () => {
  const [, two, three] = sessions
  const idleMs = 2_000
  await corral.stop()
  await corral.start({ CORRAL_TEST_TIMERS: `sandboxIdleMs=${idleMs}` })
  const going = await send(three, bash(`sleep ${(2 * idleMs) / 1_000}`), gate('three-at-last'), say('Done.'))
  await atGate('three-at-last')
  expect(await view(two)).toMatchObject({ execution: null, sandboxStatus: 'ready' })
  await release('three-at-last')
  expect(await three.viewer.ended(going)).toMatchObject({ streamEventType: 'complete' })
  await eventually('the end of the sandbox', 30_000, async () => (await view(two)).sandboxStatus === 'stopped' || null)

  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: two.session })
  await gone(two)
  expect(
    (await eventually('the end of removing', 15_000, files)).some((name) => name.endsWith(join(three.session, 'mine'))),
  ).toBe(true)
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: three.session })
  await eventually('the end of the sandbox', 15_000, async () => (await files())?.length === 0 || null)
})
