/**
 * The turns of a session, one per execution, from the events of the log that are no messages: how each came, what was
 * prepared for it, how it began and ended, and what was made of it. Pure; events may be given twice.
 */
import {
  type ExecutionId,
  type ExecutionState,
  errorDataSchema,
  type FailureReason,
  type FinalizationData,
  finalizationDataSchema,
  queuedDataSchema,
  type StatusData,
  statusDataSchema,
} from '@corral/protocol'
import type { LogEvent } from './change.ts'

export type TurnStep = Pick<StatusData, 'step' | 'state' | 'durationMs'> & {
  message: string
  at: number
  attempt: number
}

export type Turn = {
  executionId: ExecutionId
  state: ExecutionState
  /** The user's message; null when only later events of the turn are known. */
  messageId: string | null
  /** Unix milliseconds. */
  queuedAt: number | null
  startedAt: number | null
  endedAt: number | null
  failure: { reason: FailureReason | null; message: string } | null
  /** What was prepared before the agent began, each step as it was told last. */
  steps: readonly TurnStep[]
  warnings: readonly string[]
  finalization: readonly FinalizationData[]
}

/** In the order in which they were queued. What is told of no execution belongs to the one that comes next. */
export function turnsOf(events: readonly LogEvent[]): Turn[] {
  const turns = new Map<ExecutionId, Turn>()
  let early: LogEvent[] = []
  let last = 0
  for (const event of events.toSorted((a, b) => a.seq - b.seq)) {
    if (event.seq === last) continue
    last = event.seq
    const id = event.executionId ?? openTurn(turns)
    if (!id) {
      early.push(event)
      continue
    }
    let turn = turns.get(id) ?? begun(id)
    for (const before of early) turn = told(turn, before)
    early = []
    turns.set(id, told(turn, event))
  }
  return [...turns.values()]
}

/** The oldest that has not ended: what a session tells of itself, it tells while it works for this one. */
function openTurn(turns: ReadonlyMap<ExecutionId, Turn>): ExecutionId | undefined {
  return [...turns.values()].find(({ state }) => state === 'queued' || state === 'running')?.executionId
}

const begun = (executionId: ExecutionId): Turn => ({
  ...{ executionId, state: 'queued', messageId: null, queuedAt: null, startedAt: null, endedAt: null, failure: null },
  ...{ steps: [], warnings: [], finalization: [] },
})

function told(turn: Turn, { type, data, at }: LogEvent): Turn {
  switch (type) {
    case 'queued':
      return { ...turn, messageId: queuedDataSchema.parse(data).messageId, queuedAt: at }
    case 'started':
      return turn.endedAt === null ? { ...turn, state: 'running', startedAt: at } : turn
    case 'status':
      return withStatus(turn, statusDataSchema.parse(data), at)
    case 'complete':
      return { ...turn, state: 'completed', endedAt: at }
    case 'interrupted':
      return { ...turn, state: 'interrupted', endedAt: at }
    case 'error': {
      const { error, reason } = errorDataSchema.parse(data)
      // Without a reason it reports something, and the turn goes on.
      if (reason === undefined) return { ...turn, warnings: [...turn.warnings, error] }
      return { ...turn, state: 'failed', endedAt: at, failure: { reason, message: error } }
    }
    case 'finalization':
      return { ...turn, finalization: [...turn.finalization, finalizationDataSchema.parse(data)] }
    case 'events_dropped':
      return { ...turn, warnings: [...turn.warnings, 'Some of the text was lost on its way here.'] }
    default:
      return turn
  }
}

function withStatus(turn: Turn, status: StatusData, at: number): Turn {
  const { step, state, message, durationMs, attempt = 1, level } = status
  if (!step || !state) return level === 'warning' ? { ...turn, warnings: [...turn.warnings, message] } : turn
  const same = turn.steps.findIndex((known) => known.step === step && known.message === message)
  const open = turn.steps.findIndex((known) => known.step === step && known.state === 'running')
  const place = open === -1 ? same : open
  const told: TurnStep = { step, state, message, at, attempt, ...(durationMs !== undefined && { durationMs }) }
  return { ...turn, steps: place === -1 ? [...turn.steps, told] : turn.steps.with(place, told) }
}
