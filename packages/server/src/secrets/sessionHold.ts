/**
 * The events of one session that wait, and the streams that say for how long. Events leave in their order, those that
 * become ready together in one frame: so either all that one secret is cut out of is acked, or none of it. A supervisor
 * that sends again what waits here (its link was cut) begins anew; one that leaves numbers out has dropped them.
 */
import { CorralError, type EventsFrame, type SessionId } from '@corral/protocol'
import { createPartStreams, type PartStreams, type SentEvent } from './partStreams.ts'
import type { Redactor } from './redactor.ts'

export type Offer = (frame: EventsFrame) => Promise<{ epoch: number; n: number }>

export type SessionHold = {
  offer(frame: EventsFrame, redactor: Redactor): ReturnType<Offer>
  /** What waits is not stored by us; its supervisor has it. */
  giveBack(): void
}

/** A frame that is not acked yet. */
type Waiting = { unsettled: number; settle(): void; fail(error: unknown): void }
type Pending = { waiting: Waiting; epoch: number; n: number; event: SentEvent | null }
type Ready = Pending & { event: SentEvent }

export function createSessionHold(deps: {
  session: SessionId
  offer: Offer
  holdMs: number
  /** Nothing waits, and nothing is remembered that the next event depends on. */
  idle(): void
}): SessionHold {
  const { session, holdMs } = deps
  let pending: Pending[] = []
  let streams: { of: Redactor; parts: PartStreams } | null = null
  /** The last event that came. */
  let last = { epoch: 0, n: 0 }
  let timer: NodeJS.Timeout | null = null

  function giveBack(): void {
    const waiting = new Set(pending.map((one) => one.waiting))
    pending = []
    streams = null
    for (const frame of waiting) frame.fail(new CorralError('unavailable'))
  }

  /** Where this frame stands to what came before decides what becomes of what waits. */
  function arrange({ epoch, from }: EventsFrame): void {
    if (epoch < last.epoch || (epoch === last.epoch && from <= last.n)) giveBack()
    else if (epoch > last.epoch || from > last.n + 1) streams?.parts.expire()
  }

  function partsFor(redactor: Redactor): PartStreams {
    if (streams?.of === redactor) return streams.parts
    // More is known than when they began.
    streams?.parts.expire()
    streams = { of: redactor, parts: createPartStreams(redactor, { holdMs }) }
    return streams.parts
  }

  /** Sends what has nothing before it that waits, and sees to it that what is left will not wait for ever. */
  function release(): void {
    const { ready, rest } = split(pending)
    pending = rest
    for (const run of runsOf(ready)) send(run)
    const dueMs = streams?.parts.dueMs() ?? null
    if (dueMs !== null) {
      timer ??= setTimeout(expire, dueMs)
      return
    }
    stopTimer()
    if (streams?.parts.isIdle() ?? true) deps.idle()
  }

  function stopTimer(): void {
    if (timer) clearTimeout(timer)
    timer = null
  }

  function expire(): void {
    timer = null
    streams?.parts.expireDue()
    release()
  }

  function send(run: Run): void {
    const [{ epoch, n }] = run
    const events = run.map((one) => one.event)
    deps.offer({ session, epoch, from: n, events }).then(
      () => {
        for (const { waiting } of run) {
          waiting.unsettled -= 1
          if (waiting.unsettled === 0) waiting.settle()
        }
      },
      (error: unknown) => {
        for (const { waiting } of run) waiting.fail(error)
      },
    )
  }

  return {
    offer(frame, redactor) {
      return new Promise((resolve, reject) => {
        const { epoch, from, events } = frame
        const n = from + events.length - 1
        arrange(frame)
        const parts = partsFor(redactor)
        last = { epoch, n }
        const waiting = { unsettled: events.length, settle: () => resolve({ epoch, n }), fail: reject }
        for (const [i, event] of events.entries()) {
          const one: Pending = { waiting, epoch, n: from + i, event: null }
          pending.push(one)
          parts.take(event, (ready) => {
            one.event = ready
          })
        }
        release()
      })
    },
    giveBack() {
      stopTimer()
      giveBack()
    },
  }
}

type Run = readonly [Ready, ...Ready[]]

const isReady = (one: Pending): one is Ready => one.event !== null

/** What is ready and has nothing before it that waits; and what is left. */
function split(pending: readonly Pending[]): { ready: Ready[]; rest: Pending[] } {
  const ready: Ready[] = []
  for (const one of pending) {
    if (!isReady(one)) break
    ready.push(one)
  }
  return { ready, rest: pending.slice(ready.length) }
}

/** Cut where numbers do not follow each other. */
function runsOf(ready: readonly Ready[]): Run[] {
  const runs: [Ready, ...Ready[]][] = []
  for (const one of ready) {
    const run = runs.at(-1)
    const before = run?.at(-1)
    if (run && before?.epoch === one.epoch && before.n + 1 === one.n) run.push(one)
    else runs.push([one])
  }
  return runs
}
