import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { PrepareParams } from '@corral/protocol'
import { describe, expect, it } from 'vitest'
import { type Bench, createBench } from '../testing/bench.ts'
import { prepareParams, repositoryUrl } from '../testing/commands.ts'
import { commitTo, createRepository, git } from '../testing/repository.ts'

async function prepared(bench: Bench, change: Partial<PrepareParams> = {}) {
  const params = prepareParams(bench, change)
  await bench.server.call('session.prepare', params)
  const { data } = await bench.server.event('prepared', (event) => event.data.attempt === params.attempt)
  return data
}

describe('session.prepare', () => {
  it('clones through the door while origin shows the ordinary address', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    const end = await prepared(bench)
    const head = git(bench.workspacePath, 'rev-parse', 'HEAD')
    expect(end).toEqual({ ok: true, attempt: 1, branch: `session/${bench.session}`, baseCommit: head, reused: false })
    expect(git(bench.workspacePath, 'config', 'remote.origin.url')).toBe(repositoryUrl)
    expect(git(bench.workspacePath, 'branch', '--show-current')).toBe(`session/${bench.session}`)
    expect(statSync(join(bench.home, '.gitconfig')).mode & 0o777).toBe(0o600)
    const steps = bench.server.events
      .filter((event) => event.type === 'status')
      .map(({ data }) => [data.step, data.state])
    expect(steps).toEqual([
      ['clone', 'running'],
      ['clone', 'ok'],
      ['branch', 'running'],
      ['branch', 'ok'],
    ])
  })

  it('reuses a whole checkout without a step and says the same end again for the same attempt', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    const first = await prepared(bench)
    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'kept')
    expect(await prepared(bench, { attempt: 2 })).toEqual({ ...first, attempt: 2, reused: true })
    expect(bench.server.events.filter(({ type, data }) => type === 'status' && data.attempt === 2)).toEqual([])
    await bench.server.call('session.prepare', prepareParams(bench, { attempt: 2 }))
    await bench.server.until(() => bench.server.events.filter(({ type }) => type === 'prepared').length === 3)
    expect(readFileSync(join(bench.workspacePath, 'mine.txt'), 'utf8')).toBe('kept')
  })

  it('makes a checkout anew when what it was made with has changed', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench, { setupCommands: ['echo one > made'] })
    const changed = { attempt: 2, edition: 2, setupCommands: ['echo two >> made'] }
    expect(await prepared(bench, changed)).toMatchObject({ ok: true, reused: false })
    expect(readFileSync(join(bench.workspacePath, 'made'), 'utf8')).toBe('two\n')
    expect(await prepared(bench, { ...changed, attempt: 3 })).toMatchObject({ ok: true, reused: true })
  })

  it('makes a half-made checkout again', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    mkdirSync(join(bench.workspacePath, '.git'), { recursive: true })
    writeFileSync(join(bench.workspacePath, '.git', 'corral.json'), '{"attempt": 1, "bra')
    await bench.start()
    expect(await prepared(bench)).toMatchObject({ ok: true, reused: false })
  })

  it('continues the session branch that the remote has, also when the clone is shallow', async () => {
    await using bench = await createBench()
    const repository = createRepository(join(bench.root, 'app.git'))
    const tip = commitTo(repository, `session/${bench.session}`, { 'work.txt': 'earlier' })
    await bench.start()
    expect(await prepared(bench, { shallow: true })).toMatchObject({ ok: true, baseCommit: tip })
    expect(readFileSync(join(bench.workspacePath, 'work.txt'), 'utf8')).toBe('earlier')
  })

  it('takes over what others have pushed to the session branch when the checkout is used again', async () => {
    await using bench = await createBench()
    const repository = createRepository(join(bench.root, 'app.git'))
    const branch = `session/${bench.session}`
    const warnings = () => bench.server.events.filter(({ type, data }) => type === 'status' && data.level === 'warning')
    await bench.start()
    await prepared(bench)
    const tip = commitTo(repository, branch, { 'theirs.txt': 'by a reviewer' })
    expect(await prepared(bench, { attempt: 2 })).toMatchObject({ ok: true, reused: true })
    expect(git(bench.workspacePath, 'rev-parse', 'HEAD')).toBe(tip)

    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'by the agent')
    git(bench.workspacePath, 'add', '--all')
    git(bench.workspacePath, 'commit', '--quiet', '--message', 'Mine')
    const mine = git(bench.workspacePath, 'rev-parse', 'HEAD')
    commitTo(repository, branch, { 'theirs.txt': 'more' })
    expect(warnings()).toEqual([])
    expect(await prepared(bench, { attempt: 3 })).toMatchObject({ ok: true, reused: true })
    expect(git(bench.workspacePath, 'rev-parse', 'HEAD')).toBe(mine)
    expect(warnings()).toMatchObject([{ data: { message: expect.stringContaining('could not be taken over') } }])

    rmSync(repository, { recursive: true })
    expect(await prepared(bench, { attempt: 4 })).toMatchObject({ ok: true, reused: true })
    expect(warnings()).toMatchObject([{}, { data: { message: expect.stringContaining('could not be looked up') } }])
  })

  it('never pulls an upstream branch again', async () => {
    await using bench = await createBench()
    const repository = createRepository(join(bench.root, 'app.git'))
    const tip = commitTo(repository, 'develop', { 'develop.txt': 'x' })
    const params = { branch: { kind: 'upstream', name: 'develop' } } as const
    await bench.start()
    await prepared(bench, params)
    commitTo(repository, 'develop', { 'develop.txt': 'y' })
    expect(await prepared(bench, { ...params, attempt: 2 })).toMatchObject({ ok: true, reused: true })
    expect(git(bench.workspacePath, 'rev-parse', 'HEAD')).toBe(tip)
  })

  it('begins at the default branch, and on nothing at all in an empty repository', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'), {})
    await bench.start()
    expect(await prepared(bench)).toMatchObject({ ok: true, branch: `session/${bench.session}` })
    writeFileSync(join(bench.workspacePath, 'first.txt'), 'one\ntwo\n')
    expect(await bench.server.call('session.diff', { session: bench.session })).toMatchObject({
      files: [{ path: 'first.txt', status: 'added', additions: 2, deletions: 0 }],
    })
  })

  it('takes an upstream branch that exists and refuses one that does not', async () => {
    await using bench = await createBench()
    const repository = createRepository(join(bench.root, 'app.git'))
    const tip = commitTo(repository, 'develop', { 'develop.txt': 'x' })
    await bench.start()
    expect(await prepared(bench, { branch: { kind: 'upstream', name: 'nowhere' } })).toEqual({
      ok: false,
      attempt: 1,
      reason: 'branch_not_found',
      message: 'The repository has no branch nowhere.',
    })
    expect(existsSync(bench.workspacePath)).toBe(false)
    expect(await prepared(bench, { attempt: 2, branch: { kind: 'upstream', name: 'develop' } })).toMatchObject({
      ok: true,
      branch: 'develop',
      baseCommit: tip,
    })
  })

  it('fails with clone_failed, and without what git printed, when there is no such repository', async () => {
    await using bench = await createBench()
    await bench.start()
    expect(await prepared(bench)).toEqual({
      ok: false,
      attempt: 1,
      reason: 'clone_failed',
      message: 'The repository could not be cloned: it does not exist or may not be read.',
    })
  })

  it("shows the door the session's token, and tries three times what the network does", async () => {
    await using bench = await createBench()
    const tokens: (string | undefined)[] = []
    const door = createServer((request, response) => {
      tokens.push(request.headers.authorization)
      response.writeHead(503).end()
    })
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
    const address = door.address()
    const doorUrl = `http://127.0.0.1:${typeof address === 'object' && address?.port}/git/git.example.com/acme/app.git`
    await bench.start()
    const end = await prepared(bench, { repository: { url: repositoryUrl, doorUrl } })
    door.close()
    expect(end).toMatchObject({
      reason: 'clone_failed',
      message: 'The git server could not be reached, after three tries.',
    })
    expect(tokens).toEqual(Array(3).fill('Bearer gateway-token'))
  })

  it('runs setup commands with the session environment, and tells their output without colors', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    const commands = [`printf '\\033[31m%s\\033[0m %s\\n' "$GREETING" "$HOME"`, 'echo oops >&2; pwd']
    const end = await prepared(bench, { setupCommands: commands, environment: { GREETING: 'hi', HOME: '/elsewhere' } })
    expect(end).toMatchObject({ ok: true })
    const output = bench.server.events.filter(({ type }) => type === 'output').map(({ data }) => data)
    expect(output).toContainEqual({ content: `hi ${bench.home}\n`, source: 'stdout' })
    expect(output).toContainEqual({ content: `${bench.workspacePath}\n`, source: 'stdout' })
    expect(output).toContainEqual({ content: 'oops\n', source: 'stderr' })
  })

  it('ends with setup_command_failed, and runs the commands again the next time', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    const setupCommands = ['exit 3', 'touch second']
    expect(await prepared(bench, { setupCommands })).toMatchObject({
      ok: false,
      reason: 'setup_command_failed',
      message: 'Setup command 1 of 2 ended with exit code 3.',
    })
    expect(existsSync(join(bench.workspacePath, 'second'))).toBe(false)
    expect(await prepared(bench, { setupCommands, attempt: 2, setupFailure: 'warn' })).toMatchObject({
      ok: true,
      reused: true,
    })
    expect(existsSync(join(bench.workspacePath, 'second'))).toBe(true)
    const warning = await bench.server.event('status', ({ data }) => data.level === 'warning')
    expect(warning.data.message).toBe('Setup command 1 of 2 ended with exit code 3. The work goes on without it.')
  })

  it('ends a setup command, and what it has started, at its time limit', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    const timeouts = { cloneMs: 20_000, setupCommandMs: 200 }
    const end = await prepared(bench, { setupCommands: ['sleep 60 & sleep 60'], timeouts })
    expect(end).toMatchObject({
      reason: 'setup_command_failed',
      message: 'Setup command 1 of 1 did not end within 0.2 s.',
    })
  })

  it('keeps the newer of two attempts', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await bench.server.call('session.prepare', prepareParams(bench, { setupCommands: ['sleep 60'] }))
    await bench.server.event('status', ({ data }) => data.step === 'setup')
    expect(await prepared(bench, { attempt: 2 })).toMatchObject({ ok: true, attempt: 2 })
    expect(bench.server.events.filter(({ type, data }) => type === 'prepared' && data.attempt === 1)).toEqual([])
  })

  it('is done again by the next supervisor when this one was killed', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench)
    rmSync(bench.workspacePath, { recursive: true })
    await bench.start()
    expect(bench.server.hellos[1]?.sessions[0]?.workspace).toEqual({ attempt: 1, state: 'ready' })
    expect(await prepared(bench, { attempt: 2 })).toMatchObject({ ok: true, reused: false })
  })
})
