/**
 * Secrets, from outside: they reach what they are for, and are found nowhere else, although the agent prints them: whole,
 * in deltas of three characters, in base64, in a URL.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encryptSecret } from '@corral/client'
import type { Envelope, ExecutionId, MessageResult, SecretEnvelope, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Receiver, testReceiver } from '../packages/server/src/callbacks/testReceiver.ts'
import { eventually } from './harness/eventually.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { makeRepository } from './harness/repositories.ts'
import { bash, gate, play, repeat, say } from './harness/script.ts'
import { type Canaries, tracesIn, tracesInDatabase, tracesInFiles, tracesInProcesses } from './harness/traces.ts'
import { follow, type Viewer } from './harness/viewer.ts'

/** One in every place that takes one. No part of one is a part of another. */
const printed = { DEPLOY_KEY: 'Qz7/deploy+canary&one-4711', API_TOKEN: 'Wy3-variable-canary-two-0815' }
const silent = {
  PLAIN: 'Kp1-plain-canary-three-2342',
  setup: 'Rf9-setup-canary-four-1701',
  gitToken: 'Ls5-git-canary-five-9000',
  mcpEnv: 'Mt8-program-canary-six-1138',
  mcpHeader: 'Vb2-header-canary-seven-8472',
  callbackHeader: 'Xn6-callback-canary-eight-5150',
}
const canaries: Canaries = { ...printed, ...silent }

let corral: Installation
let receiver: Receiver
let repository: string
let publicKey: string

beforeAll(async () => {
  receiver = await testReceiver()
  corral = await startInstallation({ env: { CORRAL_ALLOW_PRIVATE_HOSTS: receiver.host } })
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  publicKey = (await corral.corral.secretsPublicKey()).publicKey
})
afterAll(async () => {
  await corral?.end()
  await receiver?.[Symbol.asyncDispose]()
})

/** As the documentation says it is made: bash and openssl alone. */
async function sealWithOpenssl(secret: string): Promise<SecretEnvelope> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-e2e-key-'))
  try {
    await writeFile(join(folder, 'public.pem'), publicKey)
    const recipe = new URL('../docs/recipes/encrypt-secret.sh', import.meta.url).pathname
    const printedEnvelope = await new Promise<string>((resolve, reject) => {
      const child = execFile('bash', [recipe, join(folder, 'public.pem')], (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      )
      child.stdin?.end(secret)
    })
    return JSON.parse(printedEnvelope)
  } finally {
    await rm(folder, { recursive: true })
  }
}

type Configuration = Parameters<Installation['corral']['call']['start']['mutate']>[0]
const start = (configuration: Partial<Configuration>) =>
  corral.corral.call.start.mutate({
    prompt: play(say('Hello.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    ...configuration,
  })

const resultOf = (session: SessionId, executionId: ExecutionId): Promise<MessageResult> =>
  eventually('the end of an execution', patienceMs, async () => {
    const result = await corral.corral.call.getMessageResult.query({
      cloudAgentSessionId: session,
      executionId,
      waitMs: 20_000,
    })
    return result.endedAt === undefined ? null : result
  })

/** What viewers saw grow, part by part. */
function spoken(events: readonly Envelope[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { data } of events) {
    if (data.type !== 'message.part.delta') continue
    const { partID, delta } = data.properties as { partID: string; delta: string }
    texts.set(partID, (texts.get(partID) ?? '') + delta)
  }
  return texts
}

describe('a session with a secret in every place that takes one', () => {
  let session: SessionId
  let viewer: Viewer
  let end: Envelope
  afterAll(() => viewer?.close())

  test('gets them where they belong', async () => {
    const ack = await start({
      prompt: play(
        bash(
          'test "$PLAIN" = Kp1-plain-canary-"three"-2342 && cat setup.txt && echo "key $DEPLOY_KEY and token $API_TOKEN"',
        ),
        repeat(3),
        bash(
          'printf "see %s" "$DEPLOY_KEY" | base64; printf %s "$DEPLOY_KEY" | od -An -tx1 | tr -d "\\n " | sed "s/../%&/g"',
        ),
        bash('node -e \'console.log("https://example.com/?key=" + encodeURIComponent(process.env.DEPLOY_KEY))\''),
        gate('printed'),
        repeat(3),
        say('That is all.'),
      ),
      encryptedSecrets: { DEPLOY_KEY: await sealWithOpenssl(printed.DEPLOY_KEY) },
      envVars: { API_TOKEN: printed.API_TOKEN, PLAIN: silent.PLAIN },
      setupCommands: [
        `: ${silent.setup}; printf 'set up with %s\\n' "$DEPLOY_KEY" | tee setup.txt; cat /proc/$$/cmdline; env | grep SETUP || :`,
      ],
      gitToken: silent.gitToken,
      mcpServers: {
        program: { command: 'false', env: { PROGRAM_TOKEN: silent.mcpEnv }, timeout: 5 },
        remote: {
          type: 'streamable-http',
          url: `${receiver.url}/mcp`,
          headers: { authorization: `Bearer ${silent.mcpHeader}` },
          timeout: 5,
        },
      },
      callbackTarget: { type: 'http', url: `${receiver.url}/done`, headers: { 'x-canary': silent.callbackHeader } },
    })
    session = ack.cloudAgentSessionId
    viewer = follow(corral.corral, session)
    await Promise.race([
      (await corral.model()).waitAtGate('printed', patienceMs),
      viewer.ended(ack.executionId, patienceMs).then((early) => Promise.reject(new Error(JSON.stringify(early)))),
    ])
    expect(await tracesInProcesses(corral.folder, canaries)).toEqual([])
    await (await corral.model()).release('printed')
    end = await viewer.ended(ack.executionId, patienceMs)
    expect(end.streamEventType).toBe('complete')

    const said = JSON.stringify(viewer.events)
    expect(said).toContain('set up with [secret]')
    expect(said).toContain('key [secret] and token [secret]')
    expect(said).toContain('https://example.com/?key=[secret]')
    expect([...spoken(viewer.events).values()].join('\n')).toContain('key [secret] and token [secret]')
    const receivedAt = (path: string) => receiver.received.find((request) => request.path.startsWith(path)) ?? null
    const callback = await eventually('the callback', 30_000, async () => receivedAt('/done'))
    expect(callback.headers['x-canary']).toBe(silent.callbackHeader)
    expect(receivedAt('/mcp')?.headers.authorization).toBe(`Bearer ${silent.mcpHeader}`)
  })

  test('shows them to no viewer, in no read, export or callback', async () => {
    const { call } = corral.corral
    const which = { cloudAgentSessionId: session }
    const seen = {
      stream: viewer.events,
      growing: [...spoken(viewer.events).values()],
      session: await call.getSession.query(which),
      sessions: await call.listSessions.query({}),
      result: await resultOf(session, end.executionId as ExecutionId),
      diff: await call.getDiff.query(which),
      timing: await call.getTiming.query(which),
      export: await corral.corral.exportSession(session),
      callback: receiver.received.map(({ body }) => body),
    }
    expect(Object.entries(seen).flatMap(([place, shown]) => tracesIn(JSON.stringify(shown), canaries, place))).toEqual(
      [],
    )
    expect(seen.session).toMatchObject({
      envVarCount: 2,
      secretCount: 1,
      setupCommandCount: 1,
      mcpServerCount: 2,
      hasCallback: true,
    })
  })

  test('leaves them in no table, no file of the database, no log, and no file of Corral', async () => {
    expect(await tracesInDatabase(corral.home, canaries)).toEqual([])
    // The agent has them: its own history and what it has not handed on for a minute are in its sandbox's folder.
    const sandbox = /^home\/sandboxes\/[^/]+\/(home|state\/spool|workspace)\//
    expect(await tracesInFiles(corral.folder, canaries, (path) => sandbox.test(path))).toEqual([])
    // What no program of the sandbox printed is not even there, but for the program's own settings.
    const settings = /\/(mcp_settings\.json|opencode[^/]*\.json)$/
    expect(await tracesInFiles(corral.folder, silent, (path) => settings.test(path))).toEqual([])
    expect(await tracesInFiles(corral.folder, { ...silent, mcpEnv: 'another-text' })).toEqual([])
  })

  test('is gone with all of them once it is deleted', async () => {
    await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: session })
    await eventually('a data folder without a trace', 30_000, async () => {
      const traces = await tracesInFiles(corral.folder, canaries)
      return traces.length === 0 ? true : null
    })
    expect(await tracesInDatabase(corral.home, canaries)).toEqual([])
  })
})

/** On a machine that is busy; each wait ends when what it waits for is there. */
const patienceMs = 100_000
const long = 'a-long-canary-that-takes-four-seconds-to-say'

describe('a secret', () => {
  let flipped: SecretEnvelope
  let session: SessionId
  beforeAll(async () => {
    const good = await encryptSecret(publicKey, printed.DEPLOY_KEY)
    const data = Buffer.from(good.encryptedData, 'base64')
    data[data.length - 1] = (data.at(-1) ?? 0) ^ 1
    flipped = { ...good, encryptedData: data.toString('base64') }
  })

  test('that cannot be opened ends the execution with its name and cause; the session takes the next message', async () => {
    const { cloudAgentSessionId: session, executionId } = await start({
      encryptedSecrets: { GOOD: await encryptSecret(publicKey, 'good-secret'), BROKEN: flipped },
    })
    const failure = {
      reason: 'invalid_configuration',
      httpStatus: 422,
      retryable: false,
      message: expect.stringContaining('"BROKEN"'),
    }
    expect(await resultOf(session, executionId)).toMatchObject({ status: 'failed', failure })
    const viewer = follow(corral.corral, session)
    expect(await viewer.ended(executionId)).toMatchObject({
      streamEventType: 'error',
      data: { reason: 'invalid_configuration', details: { name: 'BROKEN', cause: 'authentication_failed' } },
    })
    viewer.close()
    const next = await corral.corral.call.sendMessage.mutate({
      cloudAgentSessionId: session,
      prompt: play(say('Hello.')),
    })
    expect(await resultOf(session, next.executionId)).toMatchObject({ status: 'failed', failure })
  })

  test('of that kind may be replaced before the session is initiated, and then it works', async () => {
    const { backEnd } = corral
    const prepared = await backEnd.call.prepareSession.mutate({
      prompt: play(bash('echo "the key is $KEY, the pin is $PIN"')),
      mode: 'code',
      model: 'scripted/demo',
      gitUrl: repository,
      encryptedSecrets: { KEY: flipped },
      envVars: { KEY: 'a plain value' },
    })
    session = prepared.cloudAgentSessionId
    await backEnd.call.updateSession.mutate({
      cloudAgentSessionId: session,
      encryptedSecrets: {
        LONG: await encryptSecret(publicKey, long),
        KEY: await encryptSecret(publicKey, printed.DEPLOY_KEY),
        PIN: await encryptSecret(publicKey, '4711'),
      },
    })
    const { executionId } = await backEnd.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
    const viewer = follow(corral.corral, session)
    await viewer.ended(executionId, patienceMs)
    viewer.close()
    // A secret wins over the variable of its name; what is too short to be redacted is said to be so.
    expect(JSON.stringify(viewer.events)).toContain('the key is [secret], the pin is 4711')
    const warnings = viewer.events.filter(({ data }) => String(data.message).includes('cannot be redacted'))
    expect(warnings.map(({ data }) => data)).toEqual([
      expect.objectContaining({ level: 'warning', message: expect.stringContaining('"PIN"') }),
    ])
  })

  test.each<[string, (good: SecretEnvelope) => object, string]>([
    ['is no base64', (good) => ({ ...good, encryptedData: 'not base64!' }), 'encryptedSecrets.KEY.encryptedData'],
    [
      'was made for another key',
      (good) => ({ ...good, encryptedDEK: Buffer.alloc(256).toString('base64') }),
      'encryptedSecrets.KEY.encryptedDEK',
    ],
    ['has another algorithm', (good) => ({ ...good, algorithm: 'none' }), 'encryptedSecrets.KEY.algorithm'],
  ])('is refused at once when it %s, by its name', async (_, change, path) => {
    const KEY = change(flipped) as SecretEnvelope
    const refusal = await start({ encryptedSecrets: { KEY } }).then(
      () => null,
      (error: unknown) => error,
    )
    expect(refusal).toMatchObject({ httpStatus: 400, reason: 'invalid_input', details: [{ path }] })
    expect(JSON.stringify(refusal)).not.toContain(flipped.encryptedDEK.slice(0, 20))
  })

  test('is not lost with a server that is killed while it holds back its beginning', async () => {
    const prompt = play(bash('echo "first $LONG last"'), `${repeat(1)} pace 100ms`, say('Said.'))
    const { executionId } = await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt })
    const viewer = follow(corral.corral, session)
    await viewer.until(
      'the words before the secret',
      () => [...spoken(viewer.events).values()].join('').includes('first'),
      patienceMs,
    )
    await corral.kill()
    await corral.start()
    expect(await viewer.ended(executionId, patienceMs)).toMatchObject({ streamEventType: 'complete' })
    expect([...spoken(viewer.events).values()].join('')).toMatch(/first \[secret\] last/)
    expect(tracesIn(JSON.stringify(viewer.events), { LONG: long.slice(0, 18) }, 'stream')).toEqual([])
    const own = viewer.events.filter((event) => event.executionId === executionId).map(({ eventId }) => eventId)
    expect(own).toEqual([...new Set(own)].toSorted((a, b) => a - b))
    viewer.close()
  })
})
