/**
 * A conversation as the rows that are shown, in their order: messages, what was prepared for a turn, what it asks, and how
 * it ended. Messages that wait in the queue are not among them. Pure.
 */
import type { ConversationAsk } from '@corral/client'
import type { ExecutionId } from '@corral/protocol'
import type { TranscriptMessage, TranscriptPart, Turn } from '@corral/transcript'

export type Parts = ReadonlyMap<string, TranscriptPart>

export type Row =
  | { kind: 'message'; key: string; message: TranscriptMessage; turn: Turn | null }
  | { kind: 'preparation'; key: string; turn: Turn }
  | { kind: 'ask'; key: string; ask: ConversationAsk }
  /** How it stands, or ended. */
  | { kind: 'turn'; key: string; turn: Turn }

export const isOver = ({ state }: Turn) => state !== 'queued' && state !== 'running'

/** The turn that is worked for, or that comes next. */
export const currentTurn = (turns: readonly Turn[]): Turn | null => turns.find((turn) => !isOver(turn)) ?? null

/** Those that wait for it. */
export function waitingTurns(turns: readonly Turn[]): Turn[] {
  const current = currentTurn(turns)
  return turns.filter((turn) => turn.state === 'queued' && turn !== current)
}

export function rowsOf(of: {
  /** Of this conversation alone. */
  messages: readonly TranscriptMessage[]
  turns: readonly Turn[]
  asks: readonly ConversationAsk[]
  /** Which message began a sub-agent, by the sub-agent's session. */
  begunBy: ReadonlyMap<string, string>
}): Row[] {
  const turns = new Map(of.turns.map((turn) => [turn.executionId, turn]))
  const waiting = new Set(waitingTurns(of.turns).map(({ executionId }) => executionId))
  const shown = of.messages
    .filter(({ info, executionId }) => !(info.role === 'user' && executionId && waiting.has(executionId)))
    .toSorted((a, b) => a.position - b.position)
  const shownIds = new Set(shown.map(({ info }) => info.id))
  const asks = Map.groupBy(of.asks, (ask) => placeOf(ask, shownIds, of.begunBy))

  const rows: Row[] = []
  let under: ExecutionId | null = null
  const ended = new Set<ExecutionId>()

  function addAsks(place: string): void {
    for (const ask of asks.get(place) ?? []) rows.push({ kind: 'ask', key: `ask ${ask.id}`, ask })
  }
  function endTurn(): void {
    const turn = under && turns.get(under)
    under = null
    if (!turn || ended.has(turn.executionId)) return
    ended.add(turn.executionId)
    addAsks(turn.executionId)
    rows.push({ kind: 'turn', key: `turn ${turn.executionId}`, turn })
  }

  for (const message of shown) {
    const { info, executionId } = message
    if (executionId !== under) endTurn()
    under = executionId
    const turn = (executionId && turns.get(executionId)) || null
    rows.push({ kind: 'message', key: info.id, message, turn })
    if (turn && turn.messageId === info.id && turn.steps.length > 0) {
      rows.push({ kind: 'preparation', key: `preparation ${turn.executionId}`, turn })
    }
    addAsks(info.id)
  }
  endTurn()
  return rows
}

/** Behind the message that asks, or that began the sub-agent which asks; else at the end of the turn. */
function placeOf(
  { request, executionId }: ConversationAsk,
  shown: ReadonlySet<string>,
  begunBy: ReadonlyMap<string, string>,
): string {
  const { tool } = request
  const asking = typeof tool === 'object' && tool !== null && 'messageID' in tool ? String(tool.messageID) : ''
  if (shown.has(asking)) return asking
  return begunBy.get(request.sessionID) ?? executionId ?? ''
}

/** By the session of each sub-agent: the message of the tool that began it. */
export function begunBy(parts: ReadonlyMap<string, Parts>): Map<string, string> {
  const found = new Map<string, string>()
  for (const [messageId, ofMessage] of parts) {
    for (const { part } of ofMessage.values()) {
      const session = part.type === 'tool' && part.tool === 'task' ? sessionOf(part.state) : null
      if (session !== null) found.set(session, messageId)
    }
  }
  return found
}

function sessionOf(state: unknown): string | null {
  if (typeof state !== 'object' || state === null || !('metadata' in state)) return null
  const { metadata } = state
  if (typeof metadata !== 'object' || metadata === null || !('sessionId' in metadata)) return null
  return typeof metadata.sessionId === 'string' ? metadata.sessionId : null
}
