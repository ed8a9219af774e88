/** The work of a session leaves its sandbox after each turn, and comes back into one that has nothing. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Checkpoint, ExecuteParams } from '@corral/protocol'
import { describe, expect, it } from 'vitest'
import { type Bench, createBench } from '../testing/bench.ts'
import { executeParams, prepareParams } from '../testing/commands.ts'
import { commitTo, createRepository, git } from '../testing/repository.ts'

/** A turn that fails at once is one after which something may have changed. */
function endsAtOnce(bench: Bench): ExecuteParams['agent'] {
  const command = join(bench.root, 'agent')
  writeFileSync(command, '#!/bin/sh\nexit 1\n')
  chmodSync(command, 0o755)
  return { name: 'none', version: '1.0.0', kind: 'opencode', command }
}

async function prepared(bench: Bench, attempt: number, checkpoint: Checkpoint | null = null) {
  await bench.server.call('session.prepare', prepareParams(bench, { attempt, checkpoint }))
  return (await bench.server.event('prepared', ({ data }) => data.attempt === attempt)).data
}

async function turn(bench: Bench): Promise<void> {
  const params = executeParams(bench, endsAtOnce(bench), 'hello')
  await bench.server.call('session.execute', params)
  await bench.server.event('outcome', ({ executionId }) => executionId === params.executionId)
}

const kept = (bench: Bench, other?: Checkpoint): Promise<Checkpoint> =>
  bench.server.until(() => {
    const found = bench.server.checkpoints.of(bench.session)
    return JSON.stringify(found) !== JSON.stringify(other) && found
  })

const database = (bench: Bench) => join(bench.home, '.local/share/opencode/opencode.db')

function remember(bench: Bench, words: string): void {
  mkdirSync(join(database(bench), '..'), { recursive: true })
  using db = new DatabaseSync(database(bench))
  db.exec('pragma journal_mode = wal; create table if not exists said (words text)')
  db.prepare('insert into said values (?)').run(words)
}

function remembered(bench: Bench): unknown[] {
  using db = new DatabaseSync(database(bench))
  return db
    .prepare('select words from said')
    .all()
    .map(({ words }) => words)
}

/** The whole disk of the sandbox. */
function loseEverything(bench: Bench): void {
  for (const path of [bench.workspacePath, bench.home]) rmSync(path, { recursive: true, force: true })
}

describe('the work of a session', () => {
  it('is brought to the server after a turn, with the history of the agent, and comes back into nothing', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench, 1)
    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'mine\n')
    remember(bench, 'the first')
    await turn(bench)
    const first = await kept(bench)
    expect(first.history?.agent).toBe('opencode')
    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'mine again\n')
    remember(bench, 'the second')
    await turn(bench)
    const second = await kept(bench, first)

    loseEverything(bench)
    expect(await prepared(bench, 2, second)).toMatchObject({ ok: true, reused: false })
    expect(readFileSync(join(bench.workspacePath, 'mine.txt'), 'utf8')).toBe('mine again\n')
    expect(remembered(bench)).toEqual(['the first', 'the second'])
    expect(git(bench.workspacePath, 'status', '--porcelain')).toBe('?? mine.txt')
    const steps = bench.server.events.filter(({ data }) => data.step === 'restore').map(({ data }) => data.state)
    expect(steps).toEqual(['running', 'ok'])
    expect(readdirSync(join(bench.stateDir, 'scratch', bench.session))).toEqual([])
  })

  it('has no secret of ours in it: no token, no variable, no configuration of git', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    const environment = { API_TOKEN: 'a-secret-of-the-owner' }
    const gateway = { token: 'token-for-the-gateway' }
    await bench.server.call('session.prepare', prepareParams(bench, { environment, gateway }))
    await bench.server.event('prepared')
    git(bench.workspacePath, 'config', 'credential.helper', 'a-secret-in-the-configuration')
    remember(bench, 'something')
    await turn(bench)
    await kept(bench)
    const raw = [...bench.server.checkpoints.blobs.values()]
    const { bundle } = (await kept(bench)).workspace
    expect(raw.some((blob) => blob.length === bundle.bytes)).toBe(true)
    loseEverything(bench)
    await prepared(bench, 2, await kept(bench))
    // As it unpacks: objects of git and of the database are compressed.
    for (const secret of ['a-secret', 'token-for', 'link-token']) {
      for (const folder of ['workspace', `home/${bench.session}/.local`]) {
        const found = () => git(bench.root, 'grep', '--no-index', '--text', '-l', secret, '--', folder)
        expect(found, `${secret} in ${folder}`).toThrow()
      }
      expect(git(bench.workspacePath, 'config', '--list')).not.toContain(secret)
    }
  })

  it('is still brought when the server was away, and when the supervisor was killed meanwhile', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    const child = await bench.startProcess()
    await prepared(bench, 1)
    bench.server.checkpoints.refuse(503)
    await turn(bench)
    child.kill('SIGKILL')
    bench.server.checkpoints.refuse(null)
    expect(bench.server.checkpoints.of(bench.session)).toBeUndefined()
    await bench.start()
    await kept(bench)
  })

  it('is told to people as far as it is left out, and once', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench, 1)
    git(bench.workspacePath, 'init', '--quiet', 'inner')
    await turn(bench)
    const first = await kept(bench)
    const told = () =>
      bench.server.events.filter(({ data }) => data.level === 'warning').map(({ data }) => data.message)
    await bench.server.until(() => told().length > 0)
    writeFileSync(join(bench.workspacePath, 'more.txt'), 'more\n')
    await turn(bench)
    await kept(bench, first)
    bench.server.checkpoints.refuse(507)
    await turn(bench)
    await bench.server.until(() => told().length > 1)
    expect(told()).toEqual([
      'Not kept for a new sandbox: inner/ (a repository of its own).',
      'The work of this session could not be kept outside of its sandbox. The disk of the server is full.',
    ])
  })

  it('is not brought back over what is there', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench, 1)
    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'old\n')
    remember(bench, 'old')
    await turn(bench)
    const checkpoint = await kept(bench)
    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'newer\n')
    remember(bench, 'newer')
    expect(await prepared(bench, 2, checkpoint)).toMatchObject({ ok: true, reused: true })
    expect(readFileSync(join(bench.workspacePath, 'mine.txt'), 'utf8')).toBe('newer\n')
    // The checkout alone was lost.
    rmSync(bench.workspacePath, { recursive: true })
    expect(await prepared(bench, 3, checkpoint)).toMatchObject({ ok: true, reused: false })
    expect(readFileSync(join(bench.workspacePath, 'mine.txt'), 'utf8')).toBe('old\n')
    expect(remembered(bench)).toEqual(['old', 'newer'])
  })

  // Four supervisors start in it.
  it('half brought back is brought back again, whenever the supervisor was killed', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    const first = await bench.start()
    await prepared(bench, 1)
    writeFileSync(join(bench.workspacePath, 'mine.txt'), 'mine\n')
    remember(bench, 'what was said')
    await turn(bench)
    const checkpoint = await kept(bench)
    await first.stop()
    loseEverything(bench)
    for (const [attempt, wait] of [
      [2, 'bundle'],
      [3, 'history'],
    ] as const) {
      const blob = wait === 'bundle' ? checkpoint.workspace.bundle : checkpoint.history?.database
      const child = await bench.startProcess()
      const reached = bench.server.checkpoints.holdAt(blob?.hash ?? '')
      await bench.server.call('session.prepare', prepareParams(bench, { attempt, checkpoint }))
      await reached
      child.kill('SIGKILL')
      bench.server.checkpoints.letGo()
      expect(existsSync(bench.workspacePath)).toBe(false)
    }
    await bench.start()
    expect(await prepared(bench, 4, checkpoint)).toMatchObject({ ok: true, reused: false })
    expect(readFileSync(join(bench.workspacePath, 'mine.txt'), 'utf8')).toBe('mine\n')
    expect(remembered(bench)).toEqual(['what was said'])
    expect(readdirSync(join(bench.workspacePath, '..')), 'nothing of the attempts is left').toEqual([bench.session])
  }, 30_000)

  it('that is damaged or fits no more is said, and the session goes on from the repository', async () => {
    await using bench = await createBench()
    const repository = createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench, 1)
    await turn(bench)
    const checkpoint = await kept(bench)
    for (const [path, blob] of bench.server.checkpoints.blobs) {
      bench.server.checkpoints.blobs.set(path, Buffer.alloc(blob.length))
    }
    loseEverything(bench)
    const tip = commitTo(repository, `session/${bench.session}`, { 'pushed.txt': 'pushed' })
    expect(await prepared(bench, 2, checkpoint)).toMatchObject({ ok: true, baseCommit: tip })
    const warning = await bench.server.event('status', ({ data }) => data.level === 'warning')
    expect(warning.data.message).toContain('begins anew from the repository')
  })

  it('is waited for when the server cannot be asked for it', async () => {
    await using bench = await createBench()
    createRepository(join(bench.root, 'app.git'))
    await bench.start()
    await prepared(bench, 1)
    await turn(bench)
    const checkpoint = await kept(bench)
    loseEverything(bench)
    bench.server.checkpoints.refuse(503)
    expect(await prepared(bench, 2, checkpoint)).toMatchObject({ ok: false, reason: 'workspace_setup_failed' })
    bench.server.checkpoints.refuse(null)
    expect(await prepared(bench, 3, checkpoint)).toMatchObject({ ok: true })
  })
})
