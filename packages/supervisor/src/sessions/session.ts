/**
 * One session in this sandbox: does what the server asks, one thing at a time, and says how it ended. Invariants:
 * every accepted command ends in exactly one closing event; the same command again does nothing new; an execution
 * that was interrupted never runs; `stopped` and `outcome` are said only when nothing of the execution runs any more.
 */
import {
  type DownParams,
  type ExecuteParams,
  type ExecutionId,
  type FinalizeParams,
  failures,
  type Hello,
  type KilocodeData,
  type PrepareParams,
  type SessionId,
  type UpEvent,
  type WorkspaceDiff,
} from '@corral/protocol'
import type { Agent, TurnEnd } from '../agents/agent.ts'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { RpcError } from '../link/peer.ts'
import type { Journal } from '../spool/journal.ts'
import type { Reserve } from '../spool/reserve.ts'
import type { SessionSpool } from '../spool/sessionSpool.ts'
import { readDiff } from '../workspaces/diff.ts'
import { finalizeWorkspace } from '../workspaces/finalize.ts'
import { createGit, type Git } from '../workspaces/git.ts'
import { writeGitConfig } from '../workspaces/gitConfig.ts'
import { prepareWorkspace } from '../workspaces/prepare.ts'
import { readSummary, type WorkspaceSummary } from '../workspaces/summary.ts'
import type { SessionEnvironment } from './environment.ts'
import type { RecordFile } from './record.ts'
import { createSteps } from './steps.ts'

/** Why a command is refused, on the wire. */
export const refusalCodes = { notPrepared: 1, interrupted: 2, busy: 3, diskFull: 4, unknownSession: 5 } as const

export type Session = {
  readonly id: SessionId
  readonly spool: SessionSpool
  hello(): Hello['sessions'][number]
  /** Whatever runs and is not this execution is ended and reported. */
  mayRun(executionId: ExecutionId | null): void
  prepare(params: PrepareParams): void
  execute(params: ExecuteParams): void
  interrupt(params: DownParams<'session.interrupt'>): void
  finalize(params: FinalizeParams): void
  stopAgent(): void
  diff(): Promise<WorkspaceDiff | null>
  /** Ends everything of the session that runs. */
  stop(): Promise<void>
  /** Ends what runs, and forgets the session. */
  release(): Promise<void>
}

type Task = { abort: AbortController; done: Promise<void> }

export function createSession(options: {
  record: RecordFile
  spool: SessionSpool
  journal: Journal
  reserve: Reserve
  agent: Agent
  environment: SessionEnvironment
  log: Log
}): Session {
  const { record, spool, journal, reserve, agent, environment, log } = options
  const { id } = record.value
  let preparing: (Task & { attempt: number }) | null = null
  let turn: (Task & { executionId: ExecutionId; attempt: number }) | null = null
  let finalizing: (Task & { executionId: ExecutionId }) | null = null

  function emit(event: UpEvent): boolean {
    if (journal.append(event)) return true
    turn?.abort.abort('disk_full')
    return false
  }

  /** Nothing that goes wrong in a task may end the supervisor, and with it everybody else's work. */
  function begin(name: string, work: (signal: AbortSignal) => Promise<void>): Task {
    const abort = new AbortController()
    const done = work(abort.signal).catch((error: unknown) => {
      if (abort.signal.aborted) return
      log('error', `${name} failed`, { session: id, error: errorText(error) })
    })
    return { abort, done }
  }

  function workspaceGit(): { git: Git; workspacePath: string; base: string } | undefined {
    const { preparation } = record.value
    if (!preparation?.prepared?.ok) return undefined
    const { workspacePath, home, prepared } = preparation
    return {
      git: createGit({ cwd: workspacePath, environment: environment(home) }),
      workspacePath,
      base: prepared.baseCommit,
    }
  }

  function prepare(params: PrepareParams): void {
    if (turn) throw new RpcError(refusalCodes.busy, 'An execution is running in this workspace.')
    if (preparing?.attempt === params.attempt) return
    const { preparation } = record.value
    if (preparation?.attempt === params.attempt && preparation.prepared)
      return void emit({ type: 'prepared', data: preparation.prepared })
    const { attempt, workspacePath, home, repository, author } = params
    const earlier = preparing
    earlier?.abort.abort()
    const keep = { attempt, workspacePath, home, repository, author }
    record.update({ preparation: { ...keep, prepared: null } })
    const task = begin('a preparation', async (signal) => {
      await earlier?.done
      const prepared = await prepareWorkspace({
        params,
        environment,
        steps: createSteps({ emit, attempt }),
        output: (content, source) => emit({ type: 'output', data: { content, source } }),
        signal,
        log,
      })
      // Somebody has asked for another attempt meanwhile.
      if (signal.aborted) return
      record.update({ preparation: { ...keep, prepared } })
      preparing = null
      emit({ type: 'prepared', data: prepared })
    })
    preparing = { ...task, attempt }
  }

  function execute(params: ExecuteParams): void {
    const { executionId, attempt } = params
    if (record.value.interrupted.includes(executionId)) {
      emit({ type: 'stopped', executionId, data: { executionId, attempt } })
      throw new RpcError(refusalCodes.interrupted, 'This execution was interrupted.')
    }
    const same = (other: { executionId: ExecutionId; attempt: number } | null) =>
      other?.executionId === executionId && other.attempt === attempt
    if (same(turn) || same(record.value.lastEnded)) return
    if (turn) throw new RpcError(refusalCodes.busy, 'Another execution is running.')
    const { preparation } = record.value
    if (preparing || !preparation?.prepared?.ok)
      throw new RpcError(refusalCodes.notPrepared, 'The workspace is not prepared.')
    if (
      !reserve.take() ||
      !journal.append({ type: 'accepted', executionId, data: { executionId, attempt } }, { durable: true })
    )
      throw new RpcError(refusalCodes.diskFull, 'The disk is full.')
    const { agentSessionId, messageId, workspacePath, home } = params
    const reference = { session: id, executionId, agentSessionId, messageId, agent: params.agent, workspacePath, home }
    record.update({ running: { ...reference, attempt, begun: false } })
    writeGitConfig(home, { ...preparation, token: params.gateway.token })
    const task = begin('an execution', async (signal) => {
      const sink = {
        kilocode: (data: KilocodeData) => emit({ type: 'kilocode', executionId, data }),
        started: () => emit({ type: 'started', executionId, data: { executionId, attempt } }),
        begun,
        steps: createSteps({ emit, attempt, executionId }),
      }
      const end = await agent.run(params, sink, signal).catch((error: unknown): TurnEnd => {
        log('error', 'an execution failed', { session: id, executionId, error: errorText(error) })
        return { result: 'failed', reason: 'agent_error', message: 'The agent could not be driven any further.' }
      })
      await settle(executionId, attempt, end, signal)
    })
    turn = { ...task, executionId, attempt }
  }

  /** Recorded before the event is: better told as begun and not run again than run twice. */
  function begun(): void {
    const { running } = record.value
    if (running && !running.begun) record.update({ running: { ...running, begun: true } })
  }

  async function settle(executionId: ExecutionId, attempt: number, end: TurnEnd, signal: AbortSignal): Promise<void> {
    const outcome = endOf(end, signal)
    const summary = outcome ? await readState() : undefined
    const wasBegun = record.value.running?.begun ?? true
    // An interrupt that came while the summary was read is answered like any other.
    if (outcome && !record.value.interrupted.includes(executionId))
      emit({
        type: 'outcome',
        executionId,
        data: { executionId, attempt, ...outcome, begun: wasBegun, workspace: summary },
      })
    else emit({ type: 'stopped', executionId, data: { executionId, attempt } })
    record.update({ running: null, lastEnded: { executionId, attempt } })
    turn = null
  }

  /** For the outcome; one without it is better than none. */
  async function readState(): Promise<WorkspaceSummary | undefined> {
    const workspace = workspaceGit()
    if (!workspace) return undefined
    return readSummary(workspace.git, workspace.workspacePath, workspace.base).catch((error: unknown) => {
      log('warn', 'the state of the workspace could not be read', { session: id, error: errorText(error) })
      return undefined
    })
  }

  function interrupt({ executionId, attempt }: DownParams<'session.interrupt'>): void {
    if (!record.value.interrupted.includes(executionId))
      record.update({ interrupted: [...record.value.interrupted, executionId] })
    if (turn?.executionId === executionId) turn.abort.abort('interrupted')
    else emit({ type: 'stopped', executionId, data: { executionId, attempt } })
  }

  function finalize(params: FinalizeParams): void {
    const { executionId } = params
    if (finalizing?.executionId === executionId) return
    const workspace = workspaceGit()
    if (!workspace) throw new RpcError(refusalCodes.notPrepared, 'The workspace is not prepared.')
    const earlier = finalizing
    const task = begin('a finalization', async (signal) => {
      await earlier?.done
      await finalizeWorkspace({
        git: workspace.git,
        params,
        emit: (data) => emit({ type: 'finalization', executionId, data }),
        signal,
      })
      if (finalizing?.executionId === executionId) finalizing = null
      emit({ type: 'finalized', executionId, data: { executionId } })
    })
    finalizing = { ...task, executionId }
  }

  /** What an earlier supervisor was doing when it died: nothing of it runs any more, and its end is told here. */
  function recover(): void {
    const { running } = record.value
    if (!running) return
    const { executionId, attempt } = running
    const task = begin('the recovery of an execution', async (signal) => {
      const sink = {
        kilocode: (data: KilocodeData) => emit({ type: 'kilocode', executionId, data }),
        begun,
      }
      await agent.recover(running, sink, signal).catch((error: unknown) => {
        if (!signal.aborted)
          log('warn', 'the rest of a turn could not be read', { session: id, error: errorText(error) })
      })
      const message = 'The supervisor was restarted in the middle of the work.'
      await settle(executionId, attempt, { result: 'failed', reason: 'agent_restarted', message }, signal)
    })
    turn = { ...task, executionId, attempt }
  }

  async function stop(): Promise<void> {
    const tasks = [preparing, turn, finalizing].filter((task) => task !== null)
    for (const { abort } of tasks) abort.abort('sandbox_stopped')
    await Promise.all(tasks.map(({ done }) => done))
    await agent.stop()
  }

  return {
    id,
    spool,
    hello() {
      const { preparation, running } = record.value
      return {
        id,
        spools: spool.epochs().map(({ epoch, ackedN, lastN }) => ({ epoch, firstUnackedN: ackedN + 1, lastN })),
        running: running
          ? { executionId: running.executionId, attempt: running.attempt, begun: running.begun }
          : undefined,
        workspace: {
          attempt: preparation?.attempt ?? 0,
          state: preparing ? 'preparing' : preparation?.prepared?.ok ? 'ready' : 'absent',
        },
      }
    },
    mayRun(executionId) {
      // Only now is there an epoch for what the recovery has to say.
      if (!turn) recover()
      if (turn && turn.executionId !== executionId) {
        record.update({ interrupted: [...record.value.interrupted, turn.executionId] })
        turn.abort.abort('interrupted')
      }
    },
    prepare,
    execute,
    interrupt,
    finalize,
    stopAgent() {
      if (turn) throw new RpcError(refusalCodes.busy, 'An execution is running.')
      void agent
        .stop()
        .catch((error: unknown) =>
          log('error', 'the agent could not be stopped', { session: id, error: errorText(error) }),
        )
    },
    async diff() {
      const workspace = workspaceGit()
      return workspace ? readDiff(workspace.git, workspace.workspacePath, workspace.base) : null
    },
    stop,
    async release() {
      await stop()
      spool.remove()
      record.remove()
    },
  }
}

/** What the server is told; `undefined` when `stopped` says all there is to say. */
function endOf(end: TurnEnd, signal: AbortSignal): Exclude<TurnEnd, { result: 'stopped' }> | undefined {
  const why: unknown = signal.reason
  if (why === 'disk_full' || why === 'sandbox_stopped')
    return { result: 'failed', reason: why, message: failures[why].sentence }
  return end.result === 'stopped' ? undefined : end
}
