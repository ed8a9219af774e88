/**
 * Turns of sessions that run elsewhere, as their pushes tell of them, for figures alone. From the form 1 on the agent says
 * when one begins and how it ends; before, a silence is the end. In memory, since counters begin anew with the server,
 * too. Invariant: what nothing is heard of for long is over.
 */
import type { PushedItemType, SessionId } from '@corral/protocol'
import type { Timers } from '../../config.ts'

/** `silent`: nobody said so; the time is that until the last push. */
export type TurnEnd = 'completed' | 'error' | 'interrupted' | 'silent'
export type EndedTurn = { end: TurnEnd; ms: number }

export type PushedTurns = {
  /** A push was taken: its form, its items in order, and whether it had anything new. */
  pushed(id: SessionId, push: { form: number; isNews: boolean; items: readonly Item[] }): void
}

type Item = { type: PushedItemType; data: Record<string, unknown> }
type OpenTurn = { beganAt: number; lastAt: number; silence: NodeJS.Timeout }

const ends: readonly unknown[] = ['completed', 'error', 'interrupted'] satisfies TurnEnd[]
const isEnd = (reason: unknown): reason is TurnEnd => ends.includes(reason)

export function createPushedTurns(deps: {
  timers: Pick<Timers, 'pushedTurnMs' | 'executionMs'>
  ended(turn: EndedTurn): void
}): PushedTurns {
  const { timers } = deps
  const open = new Map<SessionId, OpenTurn>()

  function hear(id: SessionId): void {
    const turn = open.get(id)
    if (!turn) return
    turn.lastAt = performance.now()
    turn.silence.refresh()
  }

  function begin(id: SessionId, silenceMs: number): void {
    if (open.has(id)) return
    const now = performance.now()
    const silence = setTimeout(() => end(id, 'silent'), silenceMs)
    // Nobody waits for figures.
    silence.unref()
    open.set(id, { beganAt: now, lastAt: now, silence })
  }

  function end(id: SessionId, how: TurnEnd): void {
    const turn = open.get(id)
    if (!turn) return
    clearTimeout(turn.silence)
    open.delete(id)
    deps.ended({ end: how, ms: (how === 'silent' ? turn.lastAt : performance.now()) - turn.beganAt })
  }

  return {
    pushed(id, { form, isNews, items }) {
      hear(id)
      if (form === 0) {
        if (isNews) begin(id, timers.pushedTurnMs)
        return
      }
      for (const { type, data } of items) {
        if (type === 'session_open') begin(id, timers.executionMs)
        else if (type === 'session_close' && isEnd(data.reason)) end(id, data.reason)
      }
    },
  }
}
