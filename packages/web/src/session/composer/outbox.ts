/**
 * What is being written to an agent, and what was sent and is not known to have come. Pure. Invariants: messages go in
 * their order, one at a time; each keeps its `clientId` through every try, so that it is queued once however often it is
 * sent.
 */
import { z } from 'zod'

const messageSchema = z.object({
  clientId: z.string(),
  prompt: z.string(),
  mode: z.string().optional(),
  model: z.string().optional(),
})
export type OutgoingMessage = z.infer<typeof messageSchema>

export type Outbox = {
  draft: string
  /** The first is under way. */
  line: readonly OutgoingMessage[]
  /** Why the first did not arrive, as people are told; it waits for them then, and all others with it. */
  trouble: string | null
}

export type OutboxEvent =
  | { event: 'wrote'; draft: string }
  | { event: 'sent'; message: OutgoingMessage }
  | { event: 'arrived'; clientId: string }
  | { event: 'refused'; clientId: string; why: string }
  | { event: 'tried again' }
  /** The first goes back into the draft, to be changed; it is another message then. */
  | { event: 'taken back' }

export function nextOutbox(outbox: Outbox, event: OutboxEvent): Outbox {
  const { draft, line, trouble } = outbox
  const [first, ...others] = line
  switch (event.event) {
    case 'wrote':
      return { ...outbox, draft: event.draft }
    case 'sent':
      return { draft: '', line: [...line, event.message], trouble }
    case 'arrived':
      return first?.clientId === event.clientId ? { draft, line: others, trouble: null } : outbox
    case 'refused':
      return first?.clientId === event.clientId ? { draft, line, trouble: event.why } : outbox
    case 'tried again':
      return { draft, line, trouble: null }
    case 'taken back':
      if (!first || trouble === null) return outbox
      return { draft: [first.prompt, draft].filter(Boolean).join('\n'), line: others, trouble: null }
  }
}

const keptSchema = z.object({ draft: z.string(), line: z.array(messageSchema) })

/** What outlives a reload. */
export const keptOutbox = ({ draft, line }: Outbox): string | null =>
  draft === '' && line.length === 0 ? null : JSON.stringify({ draft, line })

/** A message that was under way may have come or not; sending it again settles that. */
export function outboxFrom(kept: string | null): Outbox {
  const { draft, line } = (kept === null ? undefined : keptSchema.safeParse(jsonOf(kept)).data) ?? {
    draft: '',
    line: [],
  }
  return { draft, line, trouble: line.length > 0 ? 'The page was left while it was being sent.' : null }
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
