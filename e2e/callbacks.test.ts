/**
 * Who prepared a session is told how its executions end: once, whatever is killed in between. The receiver is a program
 * of its own that verifies with the keys that the command line shows.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Receiver, testReceiver, verified } from '../packages/server/src/callbacks/testReceiver.ts'
import { eventually } from './harness/eventually.ts'
import { type Installation, internalKey, startInstallation } from './harness/installation.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { gate, play, say, write } from './harness/script.ts'

const agentMs = 40_000

let corral: Installation
let receiver: Receiver
let repository: string
let session: SessionId
let secret: string

beforeAll(async () => {
  receiver = await testReceiver()
  corral = await startInstallation({ env: { CORRAL_ALLOW_PRIVATE_HOSTS: receiver.host } })
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(async () => {
  await corral?.end()
  await receiver?.[Symbol.asyncDispose]()
})

/** Everything that came for it, verified. */
const toldOf = (id: ExecutionId) =>
  receiver.received
    .filter(({ headers }) => headers['webhook-id'] === id)
    .map((request) => ({ ...verified(request, secret), attempt: request.headers['x-corral-attempt'] }))

async function told(id: ExecutionId, withinMs = agentMs) {
  await eventually(`the callback of ${id}`, withinMs, () => toldOf(id)[0] ?? null)
  return toldOf(id)
}

const send = async (prompt: string) =>
  (await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt, autoCommit: false })).executionId

async function commandJson(...args: string[]) {
  const { code, stdout, stderr } = await corral.command(['--json', ...args])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

test('a callback tells of the work once it is pushed, with the last words of the agent', async () => {
  const { cloudAgentSessionId } = await corral.backEnd.call.prepareSession.mutate({
    prompt: play(write('notes.md', 'hello\n'), say('Noted.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    autoCommit: true,
    callbackTarget: { url: `${receiver.url}/hooks`, headers: { authorization: 'Bearer of-the-receiver' } },
  })
  session = cloudAgentSessionId
  const [key] = await commandJson('callbacks', 'keys')
  secret = key.secret
  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
  const [body] = await told(executionId, 90_000)
  expect(body).toMatchObject({
    sessionId: session,
    idempotencyKey: executionId,
    status: 'completed',
    lastAssistantMessageText: 'Noted.',
    lastSeenBranch: `session/${session}`,
    commitHash: (await git(repository, 'rev-parse', `session/${session}`)).trim(),
    pushStatus: 'pushed',
    attempt: '1',
  })
  expect(receiver.received[0]?.headers.authorization).toBe('Bearer of-the-receiver')
  expect(await commandJson('callbacks', 'list', session)).toMatchObject([{ executionId, state: 'delivered' }])
  const [delivery] = await commandJson('callbacks', 'list', session)
  expect((await corral.command(['callbacks', 'list', session])).stdout).toMatch(
    new RegExp(`^${delivery.deliveryId}  delivered  ${executionId}  1 attempt, 200 at .*\\n$`),
  )
  expect((await corral.command(['callbacks', 'redeliver', session, delivery.deliveryId])).code).toBe(0)
  const [first, again] = await eventually('a redelivery', agentMs, () =>
    toldOf(executionId).length === 2 ? toldOf(executionId) : null,
  )
  expect(again).toEqual({ ...first, attempt: '2' })
  const rotated = (await corral.command(['callbacks', 'rotate-key'])).stdout.trimEnd().split('\n')
  expect(rotated).toMatchObject(
    [/^key_\S+ {2}whsec_\S+ {2}current$/, new RegExp(`  ${RegExp.escape(secret)}  signs until `)].map((line) =>
      expect.stringMatching(line),
    ),
  )
  const result = await corral.corral.call.getMessageResult.query({ cloudAgentSessionId: session, executionId })
  expect(result.callback).toMatchObject({ state: 'delivered', attempts: [{ status: 200 }, { status: 200 }] })
})

test.each([
  ['between ack and start', 'session.execute:1'],
  ['between the ending event and the callback', 'outcome:2'],
])('the server is killed %s: the execution ends once, and the callback has one key', async (_, point) => {
  await corral.kill()
  await corral.start({ CORRAL_TEST_KILL: point })
  const id = await send(play(say(`Through ${point}.`)))
  await corral.died()
  await corral.start()
  const bodies = await told(id)
  expect(bodies).toMatchObject([
    { idempotencyKey: id, status: 'completed', lastAssistantMessageText: `Through ${point}.` },
  ])
})

test('the server is killed in the middle of a turn, and in the middle of an attempt', async () => {
  const id = await send(play(say('Before.'), gate('middle'), say('After.')))
  const model = await corral.model()
  await model.waitAtGate('middle', agentMs)
  await corral.kill()
  await model.release('middle')
  receiver.answer('hang', 200)
  await corral.start()
  await told(id)
  await corral.kill()
  await corral.start()
  const bodies = await eventually('the second attempt', agentMs, () => (toldOf(id).length === 2 ? toldOf(id) : null))
  expect(bodies[0], 'what nobody heard the answer to is sent again as it was').toEqual(bodies[1])
  expect(bodies[0]).toMatchObject({ idempotencyKey: id, lastAssistantMessageText: 'Before.After.' })
})

test('a target that is changed later counts for what is sent after it', async () => {
  await corral.backEnd.call.updateSession.mutate({
    cloudAgentSessionId: session,
    callbackTarget: { url: `${receiver.url}/second` },
  })
  const id = await send(play(say('To another place.')))
  await told(id)
  expect(receiver.received.at(-1)?.path).toBe('/second')
})

test('the figures tell of all this', async () => {
  const answer = await fetch(`${corral.url}/metrics`, { headers: { authorization: `Bearer ${internalKey}` } })
  const text = await answer.text()
  for (const series of [
    /^corral_executions_ended_total\{state="completed",reason=""\} [1-9]/m,
    /^corral_step_seconds_count\{step="prompt_send",status="ok"\} [1-9]/m,
    /^corral_callback_attempts_total\{outcome="2xx"\} [1-9]/m,
    /^corral_gateway_calls\{kind="models",outcome="2xx"\} [1-9]/m,
    /^corral_supervisor_links 1$/m,
    /^corral_database_up 1$/m,
  ])
    expect(text).toMatch(series)
})

test('the deletion of a session in the middle of a turn is told, too', async () => {
  const id = await send(play(gate('never'), say('Never.')))
  await (await corral.model()).waitAtGate('never', agentMs)
  const { code } = await corral.command(['rm', session])
  expect(code).toBe(0)
  expect(await told(id)).toMatchObject([{ idempotencyKey: id, status: 'interrupted', reason: 'interrupted' }])
  const { stderr } = await corral.command(['callbacks', 'list', session])
  expect(stderr).toContain('There is no such session.')
})

test('the log of the server knows the receiver by its origin alone', async () => {
  const log = await readFile(join(corral.folder, 'server.log'), 'utf8')
  expect(log).toContain(`"origin":"${receiver.url}"`)
  expect(log).not.toMatch(/\/hooks|of-the-receiver|whsec_/)
})
