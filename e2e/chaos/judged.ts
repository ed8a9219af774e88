/** What the checker judges, as it was read when all was over, and what it finds. */

export type LoggedEvent = {
  seq: number
  type: string
  executionId: string | null
  data: string
  epoch: number | null
  n: number | null
  ends: boolean
  deltas: string | null
}

export type SeenEvent = { eventId: number; streamEventType: string; executionId?: string; data: unknown }

export type SeenBy = {
  name: string
  events: SeenEvent[]
  /** The conversation that a client makes of these events. */
  messages: unknown
  /** The histories that it was connected to: a log that has lost something is given another. */
  histories: string[]
  /** Why its stream ended without being asked to. */
  broken: string | null
}

export type SessionEvidence = {
  session: string
  /** Every message that was accepted, in the order in which it was. */
  accepted: string[]
  /** Those that change a file when they complete. */
  writing: string[]
  /** The message at the end, when all faults are over. */
  last: string | null
  /** In FIFO order. */
  executions: { id: string; state: string; stopped: boolean; finalization: string }[]
  events: LoggedEvent[]
  viewers: SeenBy[]
  /** As the server has it. */
  messages: unknown
  /** Of the executions that have completed, which no fault has cut short: what we have of each answer, and what its agent has. */
  answers: { executionId: string; ours: unknown; theirs: unknown }[]
  /** The executions that the commits of the pushed branch name. */
  commits: string[]
  /** What was asked, as its rows say. */
  asks: { id: string; state: string }[]
  /** The answers that were taken, as those who gave them were told. */
  answered: { ask: string; answer: string }[]
  /** The callbacks that are owed, as their rows say. */
  callbacks: { executionId: string; state: string }[]
  /** What the receiver of the callbacks got, in its order. */
  told: { key: string; executionId: string; status: string; body: string }[]
}

export type Evidence = {
  sessions: SessionEvidence[]
  /** Whatever is still there that should not be: processes, sockets, folders, gates. */
  leftBehind: string[]
  /** What did not come to its end within its bound. */
  stuck: string[]
}

export type Violation = { rule: string; session: string | null; what: string }
