/**
 * `session.execute` and `session.interrupt`: one execution at a time, from `accepted` to its end. Invariants:
 * `accepted` is on disk before the agent gets the prompt; an execution that was interrupted never runs, also not when
 * it comes late; `stopped` and `outcome` are said only when nothing of the execution runs any more, and one of them is.
 */
import { existsSync } from 'node:fs'
import {
  type AnswerParams,
  commandRefusals,
  type DownParams,
  type ExecuteParams,
  type ExecutionId,
  type Fallback,
  failures,
  type KilocodeData,
} from '@corral/protocol'
import type { Agent, TurnEnd } from '../agents/agent.ts'
import { errorText } from '../host/errorCode.ts'
import { sessionMark } from '../host/processes.ts'
import { RpcError } from '../link/peer.ts'
import type { Journal } from '../spool/journal.ts'
import type { Reserve } from '../spool/reserve.ts'
import { writeGitConfig } from '../workspaces/gitConfig.ts'
import { removeAbandonedLocks } from '../workspaces/locks.ts'
import { readSummary, type WorkspaceSummary } from '../workspaces/summary.ts'
import { beginTask, preparedWorkspace, type SessionContext, type Task } from './context.ts'
import type { SessionRecord } from './record.ts'
import { createSteps } from './steps.ts'

export type Execution = {
  running(): Task | null
  begin(params: ExecuteParams): void
  interrupt(params: DownParams<'session.interrupt'>): void
  /** Models were passed over for whoever has this token. */
  fellBack(token: string, fallback: Fallback): void
  /** Hands over what people have answered, or tells that nobody waits for it. */
  answer(params: AnswerParams): void
  /** Tells the end of what an earlier supervisor left behind, and ends whatever is not this execution. */
  mayRun(executionId: ExecutionId | null): void
}

type ExecutionOptions = {
  context: SessionContext
  agent: Agent
  journal: Journal
  reserve: Reserve
  /** A turn is over, and the workspace may have changed. */
  ended(): void
}

export function createExecution({ context, agent, journal, reserve, ended }: ExecutionOptions): Execution {
  const { id, record, emit, log } = context
  /** `token` is what its agent shows to the gateway. */
  let current: (Task & { executionId: ExecutionId; attempt: number; token?: string }) | null = null

  /** Recorded before the event is: better told as begun and not run again than run twice. */
  function begun(): void {
    const { running } = record.value
    if (running && !running.begun) record.update({ running: { ...running, begun: true } })
  }

  const tellNothingRuns = ({ executionId, attempt }: { executionId: ExecutionId; attempt: number }) =>
    void emit({ type: 'stopped', executionId, data: { executionId, attempt, agentRuns: agent.runs() } })

  const kilocode = (executionId: ExecutionId) => (data: KilocodeData) =>
    void emit({ type: 'kilocode', executionId, data })

  function begin(params: ExecuteParams): void {
    const { executionId, attempt } = params
    if (record.value.interrupted.includes(executionId)) {
      tellNothingRuns({ executionId, attempt })
      throw new RpcError(commandRefusals.interrupted, 'This execution was interrupted.')
    }
    const { lastEnded, preparation } = record.value
    const isThis = (other: { executionId: ExecutionId; attempt: number } | null) =>
      other?.executionId === executionId && other.attempt === attempt
    if (lastEnded && isThis(lastEnded)) tellEnd(lastEnded)
    if (isThis(current) || isThis(lastEnded)) return
    if (current) throw new RpcError(commandRefusals.busy, 'Another execution is running.')
    if (!preparation?.prepared?.ok || !existsSync(params.workspacePath))
      throw new RpcError(commandRefusals.notPrepared, 'The workspace is not prepared.')
    const accepted = { type: 'accepted', executionId, data: { executionId, attempt } } as const
    if (!reserve.take() || !journal.append(accepted, { durable: true }))
      throw new RpcError(commandRefusals.diskFull, 'The disk is full.')

    const { agentSessionId, messageId, workspacePath, home } = params
    const reference = { session: id, executionId, agentSessionId, messageId, agent: params.agent, workspacePath, home }
    record.update({ running: { ...reference, attempt, begun: false }, unkept: true })
    writeGitConfig(home, { ...preparation, token: params.gateway.token })
    const task = beginTask(context, 'an execution', async (signal) => {
      removeAbandonedLocks(workspacePath, sessionMark(id))
      const sink = {
        kilocode: kilocode(executionId),
        started: () => void emit({ type: 'started', executionId, data: { executionId, attempt } }),
        begun,
        askGone: (askId: string) => tellAskGone(executionId, askId),
        steps: createSteps({ emit, attempt, executionId }),
      }
      const end = await agent.run(params, sink, signal).catch((error: unknown): TurnEnd => {
        log('error', 'an execution failed', { session: id, executionId, error: errorText(error) })
        return { result: 'failed', reason: 'agent_error', message: 'The agent could not be driven any further.' }
      })
      await settle(executionId, attempt, end, signal)
    })
    current = { ...task, executionId, attempt, token: params.gateway.token }
  }

  const tellAskGone = (executionId: ExecutionId, askId: string) =>
    void emit({ type: 'ask_gone', executionId, data: { executionId, askId } })

  async function settle(executionId: ExecutionId, attempt: number, end: TurnEnd, signal: AbortSignal): Promise<void> {
    const told = endOf(end, signal)
    const workspace = told ? await summary() : undefined
    // An interrupt that came while the workspace was read is answered like any other.
    if (told && !record.value.interrupted.includes(executionId)) {
      const outcome = { executionId, attempt, ...told, begun: record.value.running?.begun ?? true }
      emit({ type: 'outcome', executionId, data: { ...outcome, workspace, agentRuns: agent.runs() } })
      record.update({ running: null, lastEnded: { executionId, attempt, outcome } })
    } else tellStopped({ executionId, attempt })
    current = null
    ended()
  }

  /** What was said of it may be gone with the spool, or with the database of the server. */
  function tellEnd({ executionId, attempt, outcome }: NonNullable<SessionRecord['lastEnded']>): void {
    if (outcome) emit({ type: 'outcome', executionId, data: { ...outcome, agentRuns: agent.runs() } })
    else tellNothingRuns({ executionId, attempt })
  }

  /** For the outcome; one without it is better than none. */
  async function summary(): Promise<WorkspaceSummary | undefined> {
    const workspace = preparedWorkspace(context)
    if (!workspace) return undefined
    return readSummary(workspace.git, workspace.workspacePath, workspace.base).catch((error: unknown) => {
      log('warn', 'the state of the workspace could not be read', { session: id, error: errorText(error) })
      return undefined
    })
  }

  function recover(): void {
    const { running } = record.value
    if (!running) return
    const { executionId, attempt } = running
    const task = beginTask(context, 'the recovery of an execution', async (signal) => {
      await agent.recover(running, { kilocode: kilocode(executionId), begun }, signal).catch((error: unknown) => {
        if (!signal.aborted)
          log('warn', 'the rest of a turn could not be read', { session: id, error: errorText(error) })
      })
      const message = 'The supervisor was restarted in the middle of the work.'
      await settle(executionId, attempt, { result: 'failed', reason: 'agent_restarted', message }, signal)
    })
    current = { ...task, executionId, attempt }
  }

  /** Nothing of it runs any more, here or under an earlier supervisor. */
  function tellStopped({ executionId, attempt }: { executionId: ExecutionId; attempt: number }): void {
    tellNothingRuns({ executionId, attempt })
    record.update({ running: null, lastEnded: { executionId, attempt, outcome: null } })
  }

  function refuseFromNowOn(executionId: ExecutionId): void {
    const { interrupted } = record.value
    if (!interrupted.includes(executionId)) record.update({ interrupted: [...interrupted, executionId] })
  }

  return {
    running: () => current,
    begin,
    interrupt({ executionId, attempt }) {
      refuseFromNowOn(executionId)
      if (current?.executionId === executionId) current.abort.abort('interrupted')
      else tellNothingRuns({ executionId, attempt })
    },
    answer(params) {
      const { executionId, askId } = params
      if (current?.executionId !== executionId) return tellAskGone(executionId, askId)
      // What fails is sent again by the server, for as long as the agent has not confirmed it.
      agent.answer(params).then(
        (end) => {
          if (end === 'gone') tellAskGone(executionId, askId)
        },
        (error: unknown) =>
          log('warn', 'an answer could not be handed over', { session: id, askId, error: errorText(error) }),
      )
    },
    fellBack(token, { passedOver, answered }) {
      if (!current || current.token !== token) return
      const why = passedOver.map(({ model, status }) => `${model} (${status ?? 'not reachable'})`).join(', ')
      const message = `${answered} answers in the place of ${why}.`
      emit({ type: 'status', executionId: current.executionId, data: { message, level: 'warning' } })
    },
    mayRun(executionId) {
      const { running } = record.value
      if (!running || running.executionId === executionId) {
        if (!current) recover()
        return
      }
      refuseFromNowOn(running.executionId)
      if (current) current.abort.abort('interrupted')
      else tellStopped(running)
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
