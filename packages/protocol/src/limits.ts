/** Sizes and counts that are part of the contract. Times are in the server's `config.ts`. */
export const MiB = 1024 * 1024

export const limits = {
  /** Executions that may wait in one session; the next one is refused with `queue_full`. */
  queuedExecutions: 10,
  bodyBytes: 4 * MiB,
  /** One event, serialized. Larger output goes to a blob and is referred to. */
  eventBytes: 8 * MiB,
  /** One transaction of the batch writer; always at least one event. */
  batchEvents: 500,
  batchBytes: 4 * MiB,
  /** Unacked on one supervisor link; past that the supervisor spools. */
  windowEvents: 1000,
  windowBytes: 8 * MiB,
  /** One page of a replay, and what may wait for one viewer. */
  replayPageBytes: MiB,
  viewerBacklogBytes: MiB,
  spoolSegmentBytes: 4 * MiB,
  /** What may wait for the server before deltas and superseded updates of parts are given up. */
  spoolBytes: 64 * MiB,
  /** One push of a session that runs elsewhere: its body, its items, and each of them. */
  pushBytes: 32 * MiB,
  pushItems: 10_000,
  pushedItemBytes: 16 * MiB,
  pushesPerMinute: 3_000,
  /** What is larger is kept beside its row, and referred to. */
  rowBytes: MiB,
  /** One page of messages. */
  messagePageBytes: 8 * MiB,
  promptCharacters: 100_000,
  trpcBatchCalls: 20,
} as const
