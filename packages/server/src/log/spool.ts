/**
 * The rule by which numbers of a spool become entries of the log exactly once: `n` goes up by one within an epoch;
 * what is there already is skipped; nothing may be missing but what an `events_dropped` stands for.
 */

/** How far a session has written what its spools hold. */
export type Position = { epoch: number; lastN: number }

/** A run of events without a gap, and how many numbers just before it its first event says were dropped. */
export type Run = { epoch: number; firstN: number; length: number; dropped: number }

export type Placement =
  /** The first `skip` events are in the log already; the others come next. */
  | { kind: 'take'; skip: number }
  /** Of a life of the spool that is over. */
  | { kind: 'outdated' }
  | { kind: 'hole'; why: string }

export function place(at: Position, run: Run): Placement {
  if (run.epoch < at.epoch) return { kind: 'outdated' }
  if (run.epoch > at.epoch) return { kind: 'hole', why: `epoch ${run.epoch} was never given; it is ${at.epoch}` }
  const known = at.lastN + 1 - run.firstN
  if (known >= 0) return { kind: 'take', skip: Math.min(known, run.length) }
  // A drop may reach back over events that were stored before the supervisor heard so; it must reach all that is missing.
  if (run.dropped >= -known) return { kind: 'take', skip: 0 }
  return { kind: 'hole', why: `event ${run.firstN} came after ${at.lastN}, and ${run.dropped} are said to be dropped` }
}
