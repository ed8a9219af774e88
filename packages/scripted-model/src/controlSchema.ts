/** What the control routes under `/__corral` answer, and what their client reads. */
import { z } from 'zod'

export const gateState = z.object({
  name: z.string(),
  released: z.boolean(),
  /** How many streams wait at the gate now. */
  waiting: z.number(),
  /** When the first of them arrived, ISO 8601. */
  waitingSince: z.string().nullable(),
})
export type GateState = z.infer<typeof gateState>

export const recordedRequest = z.object({
  id: z.string(),
  /** ISO 8601 */
  at: z.string(),
  wire: z.enum(['chat', 'responses', 'messages']),
  streamed: z.boolean(),
  authorization: z.string().nullable(),
  model: z.string(),
  scenario: z.enum(['title', 'play', 'demo', 'plain', 'invalid']),
  messages: z.number(),
  /** Images and files among what they hold. */
  files: z.number(),
  /** Without the reminders that agents add; the first 4,000 characters. */
  lastUserText: z.string(),
  /** How many tool results came since that text. */
  toolResults: z.number(),
  /** Names of the tools that the agent offers. */
  tools: z.array(z.string()),
  /**
   * `open`: the answer is on its way. `aborted`: the client went away. `failed` and `disconnected`: the scenario said
   * so, or the request could not be played.
   */
  outcome: z.enum(['open', 'complete', 'aborted', 'failed', 'disconnected']),
})
export type RecordedRequest = z.infer<typeof recordedRequest>
export type Outcome = RecordedRequest['outcome']
export type Wire = RecordedRequest['wire']
