/**
 * What to do next for one sandbox: a pure function over its row, what is known of its link, and a clock.
 * A sandbox without a link is looked at with the driver's passive `inspect`; only the driver's word that it has
 * stopped makes it `stopped`, silence alone makes it `unreachable`. Source: 10-engine "Silence", "Timers".
 */
import type { Timers } from '../config.ts'
import type { SandboxState } from '../database/schema.ts'

export type SandboxFacts = {
  state: SandboxState
  /** Its folders are where they were when it was started. */
  whole: boolean
  /** The driver has answered `start` for this boot. */
  spawned: boolean
  startingSince: Date | null
  unreachableSince: Date | null
  /** Queued, running or unfinalized work, or something that may still run. */
  busy: boolean
  /** The end of the last work in it; its start when it has had none. */
  idleSince: Date | null
  linked: boolean
  /** Since the last word of its supervisor; Infinity when this server has heard none. */
  silentForMs: number
  /** How long ago the driver was asked; null when this server has not asked yet. */
  inspectedBeforeMs: number | null
  watchingForMs: number
}

export type SandboxAction =
  | { do: 'spawn' }
  | { do: 'inspect' }
  | { do: 'markUnreachable' }
  | { do: 'stop'; because: 'idle' | 'start_timeout' | 'silence' | 'asked' | 'lost' }
  | { do: 'wait'; until: Date | null }

export function decideSandbox(facts: SandboxFacts, now: Date, timers: Timers): SandboxAction {
  const inMs = (ms: number) => new Date(now.getTime() + Math.max(0, ms))
  const since = (time: Date | null) => (time ? now.getTime() - time.getTime() : 0)
  const inspectInMs = facts.inspectedBeforeMs === null ? 0 : timers.sandboxInspectMs - facts.inspectedBeforeMs

  switch (facts.state) {
    case 'stopped':
      return { do: 'wait', until: null }
    case 'stopping':
      return { do: 'stop', because: facts.whole ? 'asked' : 'lost' }
    case 'starting': {
      // Its time begins when it is spawned; until then it may have to wait for its turn.
      if (!facts.spawned) return { do: 'spawn' }
      const leftMs = timers.sandboxStartMs - since(facts.startingSince)
      if (leftMs <= 0) return { do: 'stop', because: 'start_timeout' }
      if (!facts.whole) return { do: 'stop', because: 'lost' }
      if (inspectInMs <= 0) return { do: 'inspect' }
      return { do: 'wait', until: inMs(Math.min(leftMs, inspectInMs)) }
    }
    case 'ready': {
      if (!facts.whole) return { do: 'stop', because: 'lost' }
      const silentForMs = Math.min(facts.silentForMs, facts.watchingForMs)
      if (!facts.linked && inspectInMs <= 0) return { do: 'inspect' }
      if (silentForMs >= timers.linkSilenceMs) return { do: 'markUnreachable' }
      const untilSilenceMs = timers.linkSilenceMs - silentForMs
      if (!facts.linked) return { do: 'wait', until: inMs(Math.min(untilSilenceMs, inspectInMs)) }
      // Nobody tells when its work ends.
      if (facts.busy) return { do: 'wait', until: inMs(Math.min(untilSilenceMs, timers.sandboxIdleMs)) }
      const idleLeftMs = timers.sandboxIdleMs - since(facts.idleSince)
      if (idleLeftMs <= 0) return { do: 'stop', because: 'idle' }
      return { do: 'wait', until: inMs(Math.min(untilSilenceMs, idleLeftMs)) }
    }
    case 'unreachable': {
      if (!facts.whole) return { do: 'stop', because: 'lost' }
      const lostInMs = timers.sandboxLostMs - Math.min(since(facts.unreachableSince), facts.watchingForMs)
      // Its execution has failed by now; only its end makes room for the next one. Looks may come late, and each be due.
      if (lostInMs <= 0) return { do: 'stop', because: 'silence' }
      if (inspectInMs <= 0) return { do: 'inspect' }
      return { do: 'wait', until: inMs(Math.min(lostInMs, inspectInMs)) }
    }
  }
}
