/**
 * One session in this sandbox, put together: its workspace, its executions, its finalizations, its agent. Invariants:
 * every accepted command ends in exactly one closing event, the same command again does nothing new, and a workspace
 * is not prepared while an execution runs in it, nor the other way round.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type AnswerParams,
  commandRefusals,
  type DownParams,
  type ExecuteParams,
  type ExecutionId,
  type Fallback,
  type FinalizeParams,
  type Hello,
  type LimitReason,
  type PrepareParams,
  type SessionId,
  type WarmParams,
  type WorkspaceDiff,
} from '@corral/protocol'
import type { Agent } from '../agents/agent.ts'
import type { CheckpointStore } from '../checkpoints/store.ts'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { endProcesses, sessionMark } from '../host/processes.ts'
import { removeTreeAside } from '../host/removeTree.ts'
import { RpcError } from '../link/peer.ts'
import type { Journal } from '../spool/journal.ts'
import type { Reserve } from '../spool/reserve.ts'
import type { SessionSpool } from '../spool/sessionSpool.ts'
import { readDiff } from '../workspaces/diff.ts'
import { createCheckpointing } from './checkpointing.ts'
import { preparedWorkspace, type SessionContext } from './context.ts'
import type { SessionEnvironment } from './environment.ts'
import { createExecution } from './execution.ts'
import { createFinalization } from './finalization.ts'
import { createPreparation } from './preparation.ts'
import type { RecordFile } from './record.ts'
import { createWarmUp } from './warmUp.ts'

export type Session = {
  readonly id: SessionId
  readonly spool: SessionSpool
  hello(): Hello['sessions'][number]
  /** Whatever runs and is not this execution is ended and reported. */
  mayRun(executionId: ExecutionId | null): void
  prepare(params: PrepareParams): void
  warm(params: WarmParams): void
  execute(params: ExecuteParams): void
  interrupt(params: DownParams<'session.interrupt'>): void
  answer(params: AnswerParams): void
  finalize(params: FinalizeParams): void
  /** Whether its agent, which runs, has the title now. */
  rename(agentSessionId: string, title: string): Promise<boolean>
  stopAgent(): void
  /** Of whoever has this token, which may be this session. */
  fellBack(token: string, fallback: Fallback): void
  /** What its programs show to the gateway, as the newest command has it. */
  gatewayToken(): string | null
  diff(): Promise<WorkspaceDiff | null>
  /** Where its programs run, and with what; null while its workspace is not ready. */
  place(): { cwd: string; environment: Record<string, string> } | null
  /** The server can be reached again. */
  connected(): void
  /** Puts a word of the gateway's, or of the sandbox's limits, into the session's log. */
  tell(message: string, reason?: LimitReason): void
  /** Whether anything is under way. */
  busy(): boolean
  /** The running execution ends, since there is no room on the disk. */
  failDiskFull(): void
  /** Ends everything of the session that runs. */
  stop(): Promise<void>
  /** Ends what runs, removes its files, and forgets the session. */
  release(): Promise<void>
}

export function createSession(options: {
  record: RecordFile
  spool: SessionSpool
  journal: Journal
  reserve: Reserve
  agent: Agent
  environment: SessionEnvironment
  gatewayOrigin: string
  store: CheckpointStore
  /** A folder of this session's own, for what is on its way to the server or back. */
  scratch: string
  log: Log
}): Session {
  const { record, spool, journal, reserve, agent, environment, gatewayOrigin, store, scratch, log } = options
  const { id } = record.value
  const context: SessionContext = {
    id,
    record,
    environment,
    gatewayOrigin,
    log,
    emit(event) {
      if (journal.append(event)) return true
      execution.running()?.abort.abort('disk_full')
      return false
    },
  }
  let gatewayToken: string | null = null
  const warmUp = createWarmUp(context, agent)
  const checkpointing = createCheckpointing({ context, store, scratch: join(scratch, 'out') })
  const preparation = createPreparation({
    context,
    store,
    scratch: join(scratch, 'in'),
    async makeRoom() {
      await warmUp.end()
      await agent.stop()
    },
  })
  const execution = createExecution({ context, agent, journal, reserve, ended: checkpointing.changed })
  const finalization = createFinalization({ context, ended: checkpointing.changed })

  const tasks = () => [preparation, warmUp, execution, finalization].flatMap((part) => part.running() ?? [])

  /** Nothing of it runs afterwards but what brings its work to the server. */
  async function end(): Promise<void> {
    const running = tasks()
    for (const { abort } of running) abort.abort('sandbox_stopped')
    await Promise.all(running.map(({ done }) => done))
    await agent.stop()
  }

  return {
    id,
    spool,
    hello() {
      const known = record.value.preparation
      const { running } = record.value
      return {
        id,
        spools: spool.epochs().map(({ epoch, ackedN, lastN }) => ({ epoch, firstUnackedN: ackedN + 1, lastN })),
        running: running
          ? { executionId: running.executionId, attempt: running.attempt, begun: running.begun }
          : undefined,
        workspace: {
          attempt: known?.attempt ?? 0,
          state: preparation.running() ? 'preparing' : known?.prepared?.ok ? 'ready' : 'absent',
        },
        agentRuns: agent.runs(),
      }
    },
    mayRun: execution.mayRun,
    prepare(params) {
      if (execution.running()) throw new RpcError(commandRefusals.busy, 'An execution is running in this workspace.')
      gatewayToken = params.gateway.token
      preparation.begin(params)
    },
    warm(params) {
      if (preparation.running() || !preparedWorkspace(context))
        throw new RpcError(commandRefusals.notPrepared, 'The workspace is not prepared.')
      if (execution.running()) warmUp.tell()
      else warmUp.begin(params)
    },
    execute(params) {
      if (preparation.running()) throw new RpcError(commandRefusals.notPrepared, 'The workspace is being prepared.')
      gatewayToken = params.gateway.token
      execution.begin(params)
    },
    interrupt: execution.interrupt,
    answer: execution.answer,
    finalize: finalization.begin,
    fellBack: execution.fellBack,
    gatewayToken: () => gatewayToken,
    rename: agent.rename,
    stopAgent() {
      if (execution.running()) throw new RpcError(commandRefusals.busy, 'An execution is running.')
      void agent.stop().catch((error: unknown) => {
        log('error', 'the agent could not be stopped', { session: id, error: errorText(error) })
      })
    },
    async diff() {
      const workspace = preparedWorkspace(context)
      return workspace ? readDiff(workspace.git, workspace.workspacePath, workspace.base) : null
    },
    place() {
      const { preparation } = record.value
      if (!preparation?.prepared?.ok) return null
      return { cwd: preparation.workspacePath, environment: environment(preparation.home) }
    },
    tell(message, reason) {
      // Before its first welcome it has nowhere to say it.
      if (spool.epochs().length === 0) return
      const executionId = record.value.running?.executionId
      context.emit({ type: 'status', executionId, data: { message, level: 'warning', reason } })
    },
    busy: () => tasks().length > 0,
    failDiskFull: () => execution.running()?.abort.abort('disk_full'),
    connected: checkpointing.connected,
    async stop() {
      await end()
      await checkpointing.finish()
    },
    async release() {
      await end()
      await checkpointing.cancel()
      rmSync(scratch, { recursive: true, force: true })
      await endProcesses(sessionMark(id))
      spool.remove()
      const { preparation } = record.value
      if (preparation) for (const path of [preparation.workspacePath, preparation.home]) await removeTreeAside(path)
      // Last: whoever finds it knows that something may be left.
      record.remove()
    },
  }
}
