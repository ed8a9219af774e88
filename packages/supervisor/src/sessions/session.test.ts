import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ExecuteParams, newExecutionId, newSessionId, type PrepareParams } from '@corral/protocol'
import { describe, expect, it } from 'vitest'
import { agentMark, processesWith, sessionMark } from '../host/processes.ts'
import { type Bench, createBench } from '../testing/bench.ts'
import { executeParams, prepareParams } from '../testing/commands.ts'
import { createRepository, git } from '../testing/repository.ts'

/** Programs that are no agent, for what happens around one. */
const program = (bench: Bench, script: string): ExecuteParams['agent'] => {
  const command = join(bench.root, `agent-${Math.random().toString(36).slice(2)}`)
  writeFileSync(command, `#!/bin/sh\n${script}\n`)
  chmodSync(command, 0o755)
  return { name: 'none', version: '1.0.0', kind: 'opencode', command }
}
const endsAtOnce = (bench: Bench) => program(bench, 'exit 1')
const neverAnswers = (bench: Bench) => program(bench, 'sleep 600 & setsid sleep 600')

async function prepare(bench: Bench): Promise<void> {
  createRepository(join(bench.root, 'app.git'))
  await bench.server.call('session.prepare', prepareParams(bench))
  await bench.server.event('prepared')
}

/** A session that comes to the same sandbox; to be prepared with these. */
function secondSession(bench: Bench): PrepareParams {
  const session = newSessionId()
  const places = { workspacePath: join(bench.root, 'workspace', session), home: join(bench.root, 'home', session) }
  return prepareParams(bench, { session, ...places })
}

const typesOf = (bench: Bench, { executionId }: ExecuteParams) =>
  bench.server.events.filter((event) => event.executionId === executionId).map(({ type }) => type)

describe('a session', () => {
  it('takes no execution without a workspace', async () => {
    await using bench = await createBench()
    await bench.start()
    const params = executeParams(bench, endsAtOnce(bench), 'hello')
    await expect(bench.server.call('session.execute', params)).rejects.toThrow('1: The workspace is not prepared.')
    await prepare(bench)
    rmSync(bench.workspacePath, { recursive: true })
    await expect(bench.server.call('session.execute', params)).rejects.toThrow('1: The workspace is not prepared.')
  })

  it('tells an agent that cannot be started, as not begun, and is ready for the next', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    for (let i = 0; i < 2; i++) {
      const params = executeParams(bench, endsAtOnce(bench), 'hello')
      await bench.server.call('session.execute', params)
      const outcome = await bench.server.event('outcome', ({ executionId }) => executionId === params.executionId)
      expect(outcome.data).toMatchObject({ result: 'failed', reason: 'agent_unavailable', begun: false })
      expect(typesOf(bench, params), 'two starts').toEqual(['accepted', ...Array(4).fill('status'), 'outcome'])
    }
  })

  it('runs one execution at a time, and the same one once', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const params = executeParams(bench, neverAnswers(bench), 'hello')
    await bench.server.call('session.execute', params)
    await bench.server.call('session.execute', params)
    const other = { ...params, executionId: newExecutionId() }
    await expect(bench.server.call('session.execute', other)).rejects.toThrow('3: Another execution is running.')
    const again = prepareParams(bench, { attempt: 2 })
    await expect(bench.server.call('session.prepare', again)).rejects.toThrow('3: ')
    expect(bench.server.events.filter(({ type }) => type === 'accepted')).toHaveLength(1)
  })

  it('says the end of an execution again when that is asked for again', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const params = executeParams(bench, endsAtOnce(bench), 'hello')
    await bench.server.call('session.execute', params)
    const { data: end } = await bench.server.event('outcome')
    await bench.server.call('session.execute', params)
    const ends = () => bench.server.events.filter(({ type }) => type === 'outcome')
    await bench.server.until(() => ends().length === 2)
    expect(ends()[1]?.data).toEqual({ ...end, workspace: undefined })
    expect(typesOf(bench, params).filter((type) => type === 'accepted')).toHaveLength(1)
  })

  it('stops an execution that is still starting, with everything that it has started', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const params = executeParams(bench, neverAnswers(bench), 'hello')
    await bench.server.call('session.execute', params)
    await bench.server.until(() => processesWith(sessionMark(bench.session)).length >= 3)
    const { session, executionId, attempt } = params
    await bench.server.call('session.interrupt', { session, executionId, attempt })
    await bench.server.event('stopped', (event) => event.executionId === executionId)
    expect(processesWith(sessionMark(bench.session))).toEqual([])
    expect(typesOf(bench, params)).not.toContain('outcome')
  })

  it('refuses an execution that was interrupted before it came, also after a restart', async () => {
    await using bench = await createBench()
    const supervisor = await bench.start()
    await prepare(bench)
    const params = executeParams(bench, endsAtOnce(bench), 'hello')
    const { session, executionId, attempt } = params
    await bench.server.call('session.interrupt', { session, executionId, attempt })
    await bench.server.event('stopped', (event) => event.executionId === executionId)
    await expect(bench.server.call('session.execute', params)).rejects.toThrow('2: This execution was interrupted.')
    await supervisor.stop()
    await bench.start()
    await expect(bench.server.call('session.execute', { ...params, attempt: 2 })).rejects.toThrow('2: ')
  })

  it('ends what may no longer run when it comes back', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const params = executeParams(bench, neverAnswers(bench), 'hello')
    await bench.server.call('session.execute', params)
    bench.server.assign(bench.session, { mayRun: params.executionId })
    bench.server.cut()
    await bench.server.until(() => bench.server.hellos.length === 2)
    expect(bench.server.hellos[1]?.sessions[0]?.running).toMatchObject({
      executionId: params.executionId,
      begun: false,
    })
    expect(typesOf(bench, params)).not.toContain('stopped')
    bench.server.assign(bench.session, { mayRun: null })
    bench.server.cut()
    await bench.server.event('stopped', (event) => event.executionId === params.executionId)
  })

  it('tells the death of its supervisor as not begun where the agent had not begun', async () => {
    await using bench = await createBench()
    const child = await bench.startProcess()
    await prepare(bench)
    const params = executeParams(bench, program(bench, '[ -e once ] && exit 1; touch once; sleep 600'), 'hello')
    await bench.server.call('session.execute', params)
    await bench.server.until(() => existsSync(join(bench.workspacePath, 'once')))
    bench.server.assign(bench.session, { mayRun: params.executionId })
    child.kill('SIGKILL')
    await bench.start()
    const outcome = await bench.server.event('outcome')
    expect(outcome.data).toMatchObject({ result: 'failed', reason: 'agent_restarted', begun: false })
    await bench.server.call('session.execute', { ...params, attempt: 2 })
    await bench.server.event('accepted', ({ data }) => data.attempt === 2)
  })

  it('says at once that nothing runs of what its predecessor had left, where that may not run', async () => {
    await using bench = await createBench()
    const child = await bench.startProcess()
    await prepare(bench)
    const params = executeParams(bench, neverAnswers(bench), 'hello')
    await bench.server.call('session.execute', params)
    await bench.server.event('accepted')
    child.kill('SIGKILL')
    await bench.start()
    await bench.server.event('stopped', (event) => event.executionId === params.executionId)
    await bench.server.call('session.prepare', prepareParams(bench, { attempt: 2 }))
    expect(processesWith(agentMark(bench.session))).toEqual([])
    await bench.server.event('prepared', ({ data }) => data.attempt === 2)
    await expect(bench.server.call('session.execute', { ...params, attempt: 2 })).rejects.toThrow('2: ')
  })

  it('tells the end of a warm-up that failed, and takes an execution all the same', async () => {
    await using bench = await createBench()
    await bench.start()
    const params = executeParams(bench, endsAtOnce(bench), 'hello')
    await expect(bench.server.call('session.warm', params)).rejects.toThrow('1: The workspace is not prepared.')
    await prepare(bench)
    await bench.server.call('session.warm', params)
    expect((await bench.server.event('warmed')).data).toEqual({ agentRuns: false })
    await bench.server.call('session.execute', params)
    expect((await bench.server.event('outcome')).data).toMatchObject({ reason: 'agent_unavailable', agentRuns: false })
  })

  it('shares the start of a warm-up with an execution, and that may be stopped without it', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const params = executeParams(bench, program(bench, 'echo started >> starts; sleep 600'), 'hello')
    const starts = join(bench.workspacePath, 'starts')
    await bench.server.call('session.warm', params)
    await bench.server.call('session.warm', params)
    await bench.server.until(() => existsSync(starts))
    await bench.server.call('session.execute', params)
    await bench.server.event('accepted')
    const { session, executionId, attempt } = params
    await bench.server.call('session.interrupt', { session, executionId, attempt })
    await bench.server.event('stopped', (event) => event.executionId === executionId)
    expect(readFileSync(starts, 'utf8')).toBe('started\n')
    expect(processesWith(agentMark(session))).not.toEqual([])
    expect(bench.server.events.filter(({ type }) => type === 'warmed')).toEqual([])
  })

  it('gives up a warm-up that a newer preparation, or another configuration, has overtaken', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const params = executeParams(bench, neverAnswers(bench), 'hello')
    await bench.server.call('session.warm', params)
    await bench.server.until(() => processesWith(agentMark(bench.session)).length > 0)
    await bench.server.call('session.prepare', prepareParams(bench, { attempt: 2, edition: 2 }))
    await bench.server.event('prepared', ({ data }) => data.attempt === 2)
    expect(processesWith(agentMark(bench.session))).toEqual([])

    await bench.server.call('session.warm', params)
    await bench.server.until(() => processesWith(agentMark(bench.session)).length > 0)
    await bench.server.call('session.warm', { ...params, agent: endsAtOnce(bench) })
    await bench.server.event('warmed')
    expect(processesWith(agentMark(bench.session))).toEqual([])
    expect(bench.server.events.filter(({ type }) => type === 'warmed')).toHaveLength(1)
  })

  it('commits and pushes after an execution, and says when that is done', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    writeFileSync(join(bench.workspacePath, 'work.txt'), 'done')
    const executionId = newExecutionId()
    const timeouts = { stepMs: 10_000, pushMs: 10_000, messageMs: 10_000 }
    const gateway = { token: 'gateway-token' }
    const params = { session: bench.session, executionId, commitMessage: 'Work', push: true, gateway, timeouts }
    await bench.server.call('session.finalize', params)
    await bench.server.event('finalized', (event) => event.executionId === executionId)
    const pushed = git(join(bench.root, 'app.git'), 'log', '-1', '--format=%B', `session/${bench.session}`)
    expect(pushed).toBe(`Work\n\nCorral-Execution: ${executionId}`)
  })

  it('takes a session that comes after the welcome, on the same link, and none that was not assigned', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const later = secondSession(bench)
    await expect(bench.server.call('session.prepare', later)).rejects.toThrow('5: ')
    bench.server.assign(later.session, { epoch: 3 })
    await bench.server.call('session.assign', { session: later.session, epoch: 3, ackedN: 0 })
    await bench.server.call('session.prepare', later)
    await bench.server.event('prepared', ({ epoch, data }) => epoch === 3 && data.ok === true)
    expect(bench.server.hellos).toHaveLength(1)
  })

  it('leaves nothing of a session that is released, and everything of the other', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    const leaving = secondSession(bench)
    bench.server.assign(leaving.session)
    await bench.server.call('session.assign', { session: leaving.session, epoch: 1, ackedN: 0 })
    const background = 'nohup sleep 300 >/dev/null 2>&1 & mkdir -p $HOME/module/cache; chmod -R a-w $HOME/module'
    await bench.server.call('session.prepare', { ...leaving, setupCommands: [background] })
    await bench.server.until(() => existsSync(join(leaving.workspacePath, '.git', 'corral.json')))
    await bench.server.until(() => processesWith(sessionMark(leaving.session)).length > 0)

    await bench.server.until(() => existsSync(join(leaving.home, 'module')))
    await expect(bench.server.call('session.release', { session: leaving.session })).resolves.toEqual({
      released: true,
    })
    const left = [leaving.workspacePath, leaving.home, join(bench.stateDir, 'spool', leaving.session)]
    expect(left.filter((path) => existsSync(path))).toEqual([])
    expect(processesWith(sessionMark(leaving.session))).toEqual([])
    await expect(bench.server.call('session.release', { session: leaving.session })).resolves.toEqual({
      released: true,
    })

    expect(existsSync(join(bench.workspacePath, '.git'))).toBe(true)
    bench.server.cut()
    await bench.server.until(() => bench.server.hellos.length === 2)
    expect(bench.server.hellos[1]?.sessions).toMatchObject([{ id: bench.session, workspace: { state: 'ready' } }])
  })

  it('removes what it finds of a session that the welcome gives away', async () => {
    await using bench = await createBench()
    await bench.start()
    await prepare(bench)
    bench.server.release(bench.session)
    bench.server.cut()
    await bench.server.until(() => !existsSync(bench.workspacePath) && !existsSync(bench.home))
    bench.server.cut()
    await bench.server.until(() => bench.server.hellos.at(-1)?.sessions.length === 0)
  })
})
