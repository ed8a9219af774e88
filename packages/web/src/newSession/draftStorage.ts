/** The draft of a person's next session, as this browser keeps it; a start that is under way is kept with its tab. */
import { prepareSessionInput } from '@corral/protocol'
import { z } from 'zod'
import { type Draft, emptyDraft, kept, keptDraft } from './draft.ts'

const draftKey = (userId: string) => `corral.draft.${userId}`
const startKey = (userId: string) => `corral.start.${userId}`

export const readDraft = (userId: string): Draft => keptDraft(localStorage.getItem(draftKey(userId)))

export function writeDraft(userId: string, draft: Draft): void {
  if (draft === emptyDraft) localStorage.removeItem(draftKey(userId))
  else localStorage.setItem(draftKey(userId), kept(draft))
}

/**
 * A start whose answer has not come: what was sent, to be sent again as it was, so that it starts once. Its secrets are
 * encrypted for the server.
 */
const pendingSchema = z.object({ input: prepareSessionInput, atMs: z.number() })
export type PendingStart = z.output<typeof pendingSchema>

/** What is older is nobody's wish any more. */
const pendingMs = 10 * 60_000

export function readPendingStart(userId: string, nowMs: number): PendingStart | null {
  const text = sessionStorage.getItem(startKey(userId))
  if (text === null) return null
  const pending = pendingSchema.safeParse(JSON.parse(text))
  return pending.success && nowMs - pending.data.atMs < pendingMs ? pending.data : null
}

export function writePendingStart(userId: string, pending: PendingStart | null): void {
  if (pending === null) sessionStorage.removeItem(startKey(userId))
  else sessionStorage.setItem(startKey(userId), JSON.stringify(pending))
}
