/** The server's rule for numbers, as `log/spool.ts` of the server has it: nothing twice, and no hole that is not told. */
type Event = { type: string; data?: unknown }

/** Those of a frame that come after `lastN`, with their numbers. */
export function newOnes<E extends Event>(
  lastN: number,
  frame: { from: number; events: E[] },
): { n: number; event: E }[] {
  const [first] = frame.events
  const missing = frame.from - lastN - 1
  const told = first?.type === 'events_dropped' ? Number(Object(first.data).count) : 0
  if (missing > told) throw new Error(`a hole: ${frame.from} after ${lastN}, and ${told} are said to be dropped`)
  return frame.events.map((event, i) => ({ n: frame.from + i, event })).filter(({ n }) => n > lastN)
}
