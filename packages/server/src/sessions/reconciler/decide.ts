/**
 * What to do next for one session: a pure function over its rows, the state of its sandbox and a clock.
 * Invariants: at most one execution runs; FIFO; nothing is delivered while an ended execution may still have
 * something running; every wait has an end or is woken by a lifecycle event; no state is a dead end.
 * Source: 10-engine "The reconciler", "From delivery to the end", "Timers".
 */
import { type AskState, type ExecutionId, type FailureReason, failures } from '@corral/protocol'
import type { Timers } from '../../config.ts'
import type { SandboxState, SessionState, warmUpStates, workspaceStates } from '../../database/schema.ts'
import type { Neighbors } from '../placement/neighbors.ts'
import { type Room, untilCollected, untilRemovable, untilRoom } from './collection.ts'
import { untilWarm, warmingUntil } from './warmth.ts'

export type ExecutionFacts = {
  id: ExecutionId
  attempt: number
  /** The link on which the current command for it was last sent; null when one is due. */
  sentLink: string | null
  deliveredAt: Date | null
  startedAt: Date | null
  endedAt: Date | null
  stoppedAt: Date | null
  finalization: 'none' | 'pending' | 'done'
}

/** Open, or answered and not yet with the agent. */
export type AskFacts = {
  id: string
  state: AskState
  askedAt: Date
  deadlineMs: number
  sentLink: string | null
  sentAt: Date | null
}

export type SessionFacts = {
  session: { state: SessionState; preparedAt: Date | null }
  /** What the session's configuration says; null: the operator's. */
  executionLimitMs: number | null
  workspace: {
    state: (typeof workspaceStates)[number]
    sentLink: string | null
    preparingSince: Date | null
    readyBoot: string | null
    /** Its process is there and idle: when it is to be stopped, if nothing comes in between. */
    agentUntil: Date | null
    /** The start of the agent before there is a prompt. */
    warmUp: (typeof warmUpStates)[number]
    warmingSince: Date | null
  }
  sandbox: {
    state: SandboxState
    attempt: number
    bootId: string | null
    unreachableSince: Date | null
    /** The other sessions in it. */
    neighbors: Neighbors
  } | null
  /** The supervisor's connection, once it has said hello; whether it knows that this session is in its sandbox. */
  link: { id: string; sinceMs: number; serves: boolean } | null
  running: (ExecutionFacts & { lastProgressAt: Date | null; toolRunning: boolean; asks: AskFacts[] }) | null
  /** Ended executions that are not over: something may still run, or finalization is pending. In FIFO order. */
  ending: ExecutionFacts[]
  /** The head of the queue. */
  next: ExecutionFacts | null
  /**
   * Whether its agent may be started now. Starting takes all of a core for seconds, so few start at a time, those that
   * are waited for first; an agent that runs already needs no start.
   */
  mayStartAgent: boolean
  /** Of what lies on disk beside the log, a workspace or a checkpoint; null when there is nothing. */
  untouchedSince: Date | null
  /** Of the disk, for the next execution, and since when that waits for it. */
  room: Room
  waitsForRoomSince: Date | null
  /** The execution that has stopped the longest ago and whose deltas are still in the log. */
  uncompacted: { id: ExecutionId; stoppedAt: Date } | null
  /** For how long our own clock has run without a pause, the database was there and links were accepted. */
  watchingForMs: number
}

export type SessionAction =
  | { do: 'takeSandbox' }
  | { do: 'startSandbox' }
  /** Not while its neighbors are what they must not be. */
  | { do: 'stopSandbox'; unless: Neighbors[] }
  | { do: 'enterSandbox' }
  | { do: 'prepareWorkspace'; again: boolean }
  | { do: 'warmAgent' }
  | { do: 'deliver'; executionId: ExecutionId }
  | { do: 'interrupt'; executionId: ExecutionId }
  | { do: 'answer'; askId: string }
  | { do: 'expireAsk'; askId: string }
  | { do: 'settleStopped'; executionId: ExecutionId }
  | { do: 'finalize'; executionId: ExecutionId }
  | { do: 'giveUpFinalization'; executionId: ExecutionId }
  | { do: 'stopAgent' }
  | { do: 'fail'; executionId: ExecutionId; reason: FailureReason; message: string }
  | { do: 'failPreparation'; reason: FailureReason; message: string }
  | { do: 'makeRoom' }
  | { do: 'waitForRoom' }
  | { do: 'collect'; checkpointToo: boolean }
  | { do: 'compact'; executionId: ExecutionId }
  | { do: 'remove' }
  | { do: 'wait'; until: Date | null }

export type Action<D extends SessionAction['do']> = Extract<SessionAction, { do: D }>

const sandboxStartAttempts = 3

export function decide(facts: SessionFacts, now: Date, timers: Timers): SessionAction {
  if (facts.session.state === 'deleted') return removal(facts)
  const action = nextOfWork(facts, now, timers)
  // The log is tidied while there is nothing better to do.
  if (action.do !== 'wait' || !facts.uncompacted) return action
  const dueAt = later(facts.uncompacted.stoppedAt, timers.compactionMs)
  return dueAt <= now ? { do: 'compact', executionId: facts.uncompacted.id } : withDeadline(action, dueAt)
}

function nextOfWork(facts: SessionFacts, now: Date, timers: Timers): SessionAction {
  if (facts.running) return whileRunning(facts, facts.running, now, timers)

  const unstopped = facts.ending.find((execution) => execution.deliveredAt !== null && execution.stoppedAt === null)
  if (unstopped) return untilStopped(facts, unstopped, now, timers)

  const pending = facts.ending.find((execution) => execution.finalization === 'pending')
  if (pending?.endedAt && later(pending.endedAt, timers.finalizationMs) <= now) {
    return { do: 'giveUpFinalization', executionId: pending.id }
  }
  const work = pending ?? facts.next
  const collecting = work && facts.workspace.state !== 'collecting' ? null : untilCollected(facts, now, timers)
  if (collecting && collecting.do !== 'wait') return collecting
  const untouchedUntil = collecting?.until ?? null
  if (facts.workspace.state === 'collecting') return waitUntil(null)

  const full = pending ? null : untilRoom(facts, now, timers)
  if (full) return full
  const warm = facts.session.state === 'prepared'
  if (!work && !warm) return withDeadline(whenIdle(facts, now), untouchedUntil)

  const obstacle = untilReady(facts, work !== null, now, timers)
  const givenUpAt = pending?.endedAt ? later(pending.endedAt, timers.finalizationMs) : untouchedUntil
  if (obstacle) return withDeadline(obstacle, givenUpAt)

  if (pending?.endedAt) {
    return pending.sentLink === facts.link?.id
      ? waitUntil(later(pending.endedAt, timers.finalizationMs))
      : { do: 'finalize', executionId: pending.id }
  }
  if (!facts.next) return withDeadline(untilWarm(facts, now, timers) ?? whenIdle(facts, now), untouchedUntil)
  const needsStart = facts.workspace.agentUntil === null && warmingUntil(facts.workspace, now, timers) === null
  if (needsStart && !facts.mayStartAgent) return waitUntil(later(now, timers.agentTurnMs))
  return { do: 'deliver', executionId: facts.next.id }
}

/** A deleted session goes once nothing of it can run any more; with the sandbox when that is its own, else out of it. */
const removal = (facts: SessionFacts): SessionAction => untilRemovable(facts) ?? { do: 'remove' }

function whileRunning(
  facts: SessionFacts,
  running: NonNullable<SessionFacts['running']>,
  now: Date,
  timers: Timers,
): SessionAction {
  const { sandbox, link } = facts
  const failed = (reason: FailureReason): SessionAction => ({
    do: 'fail',
    executionId: running.id,
    reason,
    message: failures[reason].sentence,
  })
  if (!sandbox || sandbox.state === 'stopped' || sandbox.state === 'stopping') return failed('sandbox_lost')

  // Clocks start again after an outage of our own: silence that we caused is nobody's fault.
  const watchingSince = new Date(now.getTime() - facts.watchingForMs)
  const lostAt = sandbox.unreachableSince
    ? later(latest(sandbox.unreachableSince, watchingSince), timers.sandboxLostMs)
    : null
  if (lostAt && lostAt <= now) return failed('sandbox_lost')

  const deliveredAt = running.deliveredAt ?? now
  const limitAt = later(deliveredAt, facts.executionLimitMs ?? timers.executionMs)
  if (limitAt <= now) return failed('execution_limit')

  const asks = whileAsked(facts, running.asks, now, timers, watchingSince)
  if (asks.do !== 'wait') return asks

  const asking = running.asks.some(({ state }) => state === 'open')
  const progressAt =
    running.toolRunning || asking
      ? null
      : later(latest(deliveredAt, running.lastProgressAt, watchingSince), timers.noProgressMs)
  if (progressAt && progressAt <= now) return failed('no_progress')

  if (link && sandbox.state === 'ready' && running.sentLink !== link.id) {
    return { do: 'deliver', executionId: running.id }
  }
  return waitUntil(earliest(lostAt, limitAt, asks.until, progressAt ?? later(now, timers.noProgressMs)))
}

/** What nobody has answered in time counts as rejected; what is answered goes to the agent until it says that it has it. */
function whileAsked(
  { sandbox, link }: SessionFacts,
  asks: AskFacts[],
  now: Date,
  timers: Timers,
  watchingSince: Date,
): Action<'answer'> | Action<'expireAsk'> | Action<'wait'> {
  let until: Date | null = null
  for (const { id, state, askedAt, deadlineMs, sentLink, sentAt } of asks) {
    if (state === 'open') {
      const expiresAt = later(latest(askedAt, watchingSince), deadlineMs)
      if (expiresAt <= now) return { do: 'expireAsk', askId: id }
      until = earliest(until, expiresAt)
    } else if (link && sandbox?.state === 'ready') {
      const againAt = sentAt && sentLink === link.id ? later(sentAt, timers.answerAgainMs) : now
      if (againAt <= now) return { do: 'answer', askId: id }
      until = earliest(until, againAt)
    }
  }
  return { do: 'wait', until }
}

/**
 * An ended execution of which something may still run: ask again on each new link; end the sandbox if asking fails or is
 * not answered, once nobody else works in it.
 */
function untilStopped(facts: SessionFacts, execution: ExecutionFacts, now: Date, timers: Timers): SessionAction {
  const { sandbox, link } = facts
  if (!sandbox || sandbox.state === 'stopped') return { do: 'settleStopped', executionId: execution.id }
  if (!link || sandbox.state !== 'ready') return waitUntil(null)
  const linkedSince = new Date(now.getTime() - link.sinceMs)
  const deadline = later(latest(execution.endedAt ?? now, linkedSince), timers.stopMs)
  const asked = execution.sentLink === link.id
  // A supervisor that lives and answers nothing is asked until the deadline, and once more if this look comes late.
  const isGivenUp = later(deadline, asked ? 0 : timers.commandMs) <= now
  if (!asked && (!isGivenUp || sandbox.neighbors === 'busy')) return { do: 'interrupt', executionId: execution.id }
  if (!isGivenUp) return waitUntil(deadline)
  return sandbox.neighbors === 'busy' ? waitUntil(later(now, timers.stopMs)) : { do: 'stopSandbox', unless: ['busy'] }
}

/** What stands between the session and its next piece of work; null when nothing does. */
function untilReady(facts: SessionFacts, hasWork: boolean, now: Date, timers: Timers): SessionAction | null {
  const { sandbox, link, workspace } = facts
  // It was prepared once, and has gone idle or was collected since; the first message brings it back.
  const isDue = hasWork || (workspace.warmUp === 'due' && workspace.state !== 'ready' && workspace.state !== 'failed')
  if (!isDue && (!sandbox || sandbox.state === 'stopped')) return waitUntil(null)
  if (!sandbox) return { do: 'takeSandbox' }
  if (sandbox.state === 'stopped') {
    if (sandbox.attempt < sandboxStartAttempts) return { do: 'startSandbox' }
    if (!hasWork) return waitUntil(null)
    return failPreparation('sandbox_start_failed')
  }
  if (sandbox.state !== 'ready' || !link) return waitUntil(null)
  if (!link.serves) return { do: 'enterSandbox' }

  switch (workspace.state) {
    case 'ready':
      return workspace.readyBoot === sandbox.bootId ? null : { do: 'prepareWorkspace', again: false }
    case 'preparing': {
      const deadline = later(workspace.preparingSince ?? now, timers.preparationMs)
      if (deadline <= now) return failPreparation('preparation_timeout')
      return workspace.sentLink === link.id ? waitUntil(deadline) : { do: 'prepareWorkspace', again: true }
    }
    case 'collecting':
      return waitUntil(null)
    case 'failed':
      // A failed preparation is tried again by the next execution, not by itself.
      return hasWork ? { do: 'prepareWorkspace', again: false } : waitUntil(null)
    case 'absent':
      return { do: 'prepareWorkspace', again: false }
  }
}

function whenIdle(facts: SessionFacts, now: Date): SessionAction {
  const { agentUntil } = facts.workspace
  if (!agentUntil || !facts.link || facts.sandbox?.state !== 'ready') return waitUntil(null)
  return agentUntil <= now ? { do: 'stopAgent' } : waitUntil(agentUntil)
}

const failPreparation = (reason: FailureReason): SessionAction => ({
  do: 'failPreparation',
  reason,
  message: failures[reason].sentence,
})

const waitUntil = (until: Date | null): SessionAction => ({ do: 'wait', until })

function withDeadline(action: SessionAction, deadline: Date | null): SessionAction {
  return action.do === 'wait' ? waitUntil(earliest(action.until, deadline)) : action
}

const later = (time: Date, ms: number) => new Date(time.getTime() + ms)

const latest = (first: Date, ...others: (Date | null)[]): Date =>
  others.reduce<Date>((a, b) => (b && b > a ? b : a), first)

function earliest(...times: (Date | null)[]): Date | null {
  return times.reduce<Date | null>((a, b) => (a === null || (b !== null && b < a) ? (b ?? a) : a), null)
}
