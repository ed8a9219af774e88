/**
 * The command line as people and scripts use it: what a pipe gets, what a person reads beside it, how it ends, and
 * what it says when something is wrong.
 */
import { execFile } from 'node:child_process'
import { readlink, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CommandEnd } from './harness/commandLine.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { processesOf } from './harness/processes.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { gate, play, say, write } from './harness/script.ts'

const agentMs = 40_000

let corral: Installation
let repository: string
let session: string

const run = (...args: string[]) => corral.command(args)
const atGate = async (name: string) => (await corral.model()).waitAtGate(name, agentMs)
const linesOf = (text: string) => text.trimEnd().split('\n')

async function json(...args: string[]) {
  const { code, stdout, stderr } = await run('--json', ...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(() => corral?.end())

test('run: a pipe gets the answer and nothing else, the rest is told beside it, and it ends with 0', async () => {
  const prompt = play(say('I take a note.'), write('notes.md', 'hello\n'), say('Noted.'))
  const { code, stdout, stderr } = await run('run', prompt, '--repo', repository)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'Noted.\n' })
  session = /session (agent_\S+)/.exec(stderr)?.[1] ?? expect.fail(stderr)
  expect(stderr).toMatch(/· clone .*⏵ write .*✔ write .*✔ done in .*✔ commit: .*✔ push: session\/.*added +notes\.md/s)
})

describe('what there is to know of a session', () => {
  test('ls and show', async () => {
    expect((await run('ls')).stdout).toMatch(new RegExp(`^${session}  idle .*${corral.folder}.*\n$`))
    expect(await json('ls')).toMatchObject([{ sessionId: session, execution: null, gitUrl: repository }])
    expect((await run('show', session)).stdout).toMatch(/^running +nothing$/m)
    expect(await json('show', session)).toMatchObject({ sessionId: session, agentKind: 'opencode' })
  })

  test('diff is a patch that git takes', async () => {
    const { stdout } = await run('diff', session)
    expect(stdout.trimEnd()).toBe(await git(repository, 'diff', 'main', `session/${session}`))
    expect(await json('diff', session)).toMatchObject({ files: [{ path: 'notes.md', status: 'added' }] })
  })

  test('timing draws each step once', async () => {
    const { steps, totalMs } = await json('timing', session)
    const drawn = linesOf((await run('timing', session)).stdout)
    expect(drawn).toHaveLength(steps.length + 1)
    expect(drawn.at(-1)).toMatch(/^total /)
    expect(totalMs).toBeGreaterThan(0)
  })

  test('export is the whole conversation', async () => {
    const { stdout } = await run('export', session)
    const roles = JSON.parse(stdout).messages.map(({ info }: { info: { role: string } }) => info.role)
    expect(roles).toEqual(['user', 'assistant', 'assistant'])
  })
})

describe('send', () => {
  test('shows the follow-up alone, and ends with 0', async () => {
    const { code, stdout, stderr } = await run('send', session, play(say('You are welcome.')))
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'You are welcome.\n' })
    expect(stderr).not.toMatch(/clone|notes\.md/)
  })

  test('ends with 1 when the execution fails, and says why', async () => {
    const { code, stdout, stderr } = await run('send', session, play('fail 400 "I would rather not."'))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/✘ .*I would rather not\./)
  })

  test('ends with 130 when it is stopped from elsewhere', async () => {
    const sending = corral.startCommand(['send', session, play(say('I wait.'), gate('elsewhere'))])
    await atGate('elsewhere')
    expect((await run('stop', session)).code).toBe(0)
    expect(await sending.ended()).toMatchObject({ code: 130, stderr: expect.stringMatching(/■ stopped/) })
  })

  test('Ctrl-C stops the agent, and it ends with 130', async () => {
    const sending = corral.startCommand(['--json', 'send', session, play(say('I wait.'), gate('control-c'))])
    await atGate('control-c')
    sending.process.kill('SIGINT')
    const { code, stdout } = await sending.ended()
    expect(code).toBe(130)
    const types = linesOf(stdout).map((line) => JSON.parse(line).streamEventType)
    expect(types[0]).toBe('queued')
    expect(types.at(-1)).toBe('interrupted')
  })
})

test('SIGTERM ends the server within 10 s and leaves the agent at work; who watches goes on when it is back', async () => {
  const agents = async () => (await processesOf(corral.folder)).filter(({ commandLine }) => / serve /.test(commandLine))
  const sending = corral.startCommand(['send', session, play(say('I begin.'), gate('restarted'), say(' I end.'))])
  await atGate('restarted')
  const before = await agents()
  const { exitCode, tookMs } = await corral.stop()
  expect(exitCode).toBe(0)
  expect(tookMs).toBeLessThan(10_000)
  expect(before).toHaveLength(1)
  expect(await agents()).toEqual(before)
  await corral.start()
  await (await corral.model()).release('restarted')
  expect(await sending.ended()).toMatchObject({
    code: 0,
    stdout: 'I begin. I end.\n',
    stderr: expect.stringMatching(/Connection lost/),
  })
})

test('attach shows a session from its beginning, and Ctrl-C only leaves it', async () => {
  const { latestEventId } = await json('show', session)
  const attached = corral.startCommand(['--json', 'attach', session])
  await expect.poll(() => linesOf(attached.output.stdout).length, { timeout: 10_000 }).toBe(latestEventId)
  attached.process.kill('SIGINT')
  const { code, stdout } = await attached.ended()
  expect(code).toBe(0)
  expect(linesOf(stdout).map((line) => JSON.parse(line).eventId)).toEqual(
    Array.from({ length: latestEventId }, (_, i) => i + 1),
  )
})

test('run --detach answers with the session alone; rm removes it', async () => {
  const { code, stdout } = await run('run', play(say('Later.')), '--repo', repository, '--detach')
  expect(code).toBe(0)
  const id = stdout.trim()
  expect(id).toMatch(/^agent_[0-9a-f-]{36}$/)
  expect(await run('rm', id)).toEqual({ code: 0, stdout: 'Deleted.\n', stderr: '' })
  expect(await run('show', id)).toMatchObject({ code: 1, stdout: '' })
})

test('npx finds it, whichever Node the machine has', async () => {
  const { stdout } = await promisify(execFile)('npx', ['corral', 'ls'], {
    cwd: new URL('..', import.meta.url),
    env: { ...process.env, CORRAL_HOME: corral.home },
    timeout: agentMs,
  })
  expect(stdout).toContain(session)
})

test('doctor tells what works and what is missing', async () => {
  const { code, stdout } = await run('doctor')
  expect(code).toBe(0)
  expect(stdout).toMatch(/✔ git .*✔ sandboxes .*✔ server +process \d+ at http/s)
  const findings: { what: string; state: string; remedy?: string }[] = await json('doctor')
  expect(findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['git', 'sandboxes', 'limits', 'agents', 'models', 'disk']),
  )
  for (const { state, remedy } of findings) expect(state === 'works' || remedy !== undefined).toBe(true)
})

describe('an error says what happened, why, and what to do, and leaves stdout empty', () => {
  const explained = (what: RegExp, why: RegExp, remedy: RegExp) => ({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(`^${what.source}\n  why:  ${why.source}\n  what to do:  ${remedy.source}\n$`, 's'),
    ),
  })
  const elsewhere = (env: Record<string, string>, ...args: string[]): Promise<CommandEnd> => corral.command(args, env)

  test('what is no session, and a session that is not there', async () => {
    expect(await run('show', 'agent_x')).toEqual(explained(/"agent_x" is not a session\./, /.*UUID/, /.*corral ls.*/))
    const missing = 'agent_00000000-0000-4000-8000-000000000000'
    expect(await run('diff', missing)).toEqual(explained(/There is no such session\./, /.+/, /.*corral ls.*/))
  })

  test('a repository or an agent that is not there', async () => {
    const nowhere = join(corral.folder, 'nowhere')
    expect(await run('run', 'Hello', '--repo', nowhere)).toEqual(
      explained(/.+/, /gitUrl .+CORRAL_GIT_LOCAL_ROOTS.*/, /.+/),
    )
    expect(await run('run', 'Hello', '--repo', repository, '--agent', 'nobody')).toEqual(
      explained(/.+/, /agentKind "nobody" is not installed.*corral agents add nobody.*/, /.+/),
    )
  })

  test('a wrong key, no server, none known', async () => {
    expect(await elsewhere({ CORRAL_API_KEY: 'wrong' }, 'ls')).toEqual(
      explained(/.+/, /unauthorized/, /.*CORRAL_API_KEY.*/),
    )
    expect(await elsewhere({ CORRAL_URL: 'http://127.0.0.1:9' }, 'ls')).toEqual(
      explained(/The server at http:\/\/127\.0\.0\.1:9 did not answer.*/, /unreachable/, /.*corral up.*/),
    )
    expect(await elsewhere({ CORRAL_HOME: join(corral.folder, 'new') }, 'ls')).toEqual(
      explained(/No server is known here\./, /.*CORRAL_URL.*/, /.*corral up.*/),
    )
  })

  test('a second server on the same data folder, or on a port that is taken', async () => {
    const second = await run('up')
    expect(second).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/in use by process \d+.*corral down/),
    })
    expect(second.stderr).not.toMatch(/^ +at /m)

    const home = join(corral.folder, 'other')
    const taken = createServer().listen(0, '127.0.0.1')
    await expect.poll(() => taken.listening).toBe(true)
    const address = taken.address()
    const port = typeof address === 'object' && address ? String(address.port) : expect.fail('no port')
    const { code, stdout, stderr } = await elsewhere({ CORRAL_HOME: home, CORRAL_PORT: port }, 'up')
    taken.close()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(new RegExp(`127\\.0\\.0\\.1:${port} is in use by another program\\..*CORRAL_PORT`))
    expect((await elsewhere({ CORRAL_HOME: home }, 'down')).code).toBe(0)
    await rm(await readlink(join(home, 'run')), { recursive: true })
  })
})
