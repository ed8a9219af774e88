/**
 * What is being written to an agent, and what was sent and is not known to have come. Pure. Invariants: one message is
 * under way at a time; it keeps its `clientId` through every try, so that it is queued once however often it is sent.
 */
import { z } from 'zod'

const messageSchema = z.object({
  clientId: z.string(),
  prompt: z.string(),
  mode: z.string().optional(),
  model: z.string().optional(),
})
export type OutgoingMessage = z.infer<typeof messageSchema>

export type Outbox =
  | { state: 'writing'; draft: string }
  | { state: 'sending'; draft: string; message: OutgoingMessage }
  /** `why`: as people are told. */
  | { state: 'unsent'; draft: string; message: OutgoingMessage; why: string }

export type OutboxEvent =
  | { event: 'wrote'; draft: string }
  | { event: 'sent'; message: OutgoingMessage }
  | { event: 'arrived'; clientId: string }
  | { event: 'refused'; clientId: string; why: string }
  | { event: 'tried again' }
  /** Back into the draft, to be changed; it is another message then. */
  | { event: 'taken back' }

export function nextOutbox(outbox: Outbox, event: OutboxEvent): Outbox {
  switch (event.event) {
    case 'wrote':
      return { ...outbox, draft: event.draft }
    case 'sent':
      return outbox.state === 'writing' ? { state: 'sending', draft: '', message: event.message } : outbox
    case 'arrived':
      return 'message' in outbox && outbox.message.clientId === event.clientId
        ? { state: 'writing', draft: outbox.draft }
        : outbox
    case 'refused': {
      if (outbox.state !== 'sending' || outbox.message.clientId !== event.clientId) return outbox
      return { ...outbox, state: 'unsent', why: event.why }
    }
    case 'tried again':
      return outbox.state === 'unsent' ? { state: 'sending', draft: outbox.draft, message: outbox.message } : outbox
    case 'taken back':
      if (outbox.state !== 'unsent') return outbox
      return { state: 'writing', draft: [outbox.message.prompt, outbox.draft].filter(Boolean).join('\n') }
  }
}

const keptSchema = z.object({ draft: z.string(), message: messageSchema.optional() })

/** What outlives a reload. */
export const keptOutbox = (outbox: Outbox): string | null =>
  outbox.draft === '' && outbox.state === 'writing'
    ? null
    : JSON.stringify({ draft: outbox.draft, ...('message' in outbox && { message: outbox.message }) })

/** A message that was under way may have come or not; sending it again settles that. */
export function outboxFrom(kept: string | null): Outbox {
  const found = kept === null ? undefined : keptSchema.safeParse(jsonOf(kept)).data
  if (!found) return { state: 'writing', draft: '' }
  const { draft, message } = found
  return message
    ? { state: 'unsent', draft, message, why: 'The page was left while it was being sent.' }
    : { state: 'writing', draft }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Somebody else wrote it.
    if (error instanceof SyntaxError) return null
    throw error
  }
}
