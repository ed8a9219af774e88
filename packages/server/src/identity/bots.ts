/** Bots: names under which a program acts for a user. A token carries its bot; a key keeps it in `apikey.metadata`. */
import { botIdSchema } from '@corral/protocol'
import { z } from 'zod'

/** better-auth writes `null` as text where a key has none. */
const metadataSchema = z.looseObject({ botId: botIdSchema.optional() }).nullable()

export const storedBot = (botId: string | null): string | null => (botId === null ? null : JSON.stringify({ botId }))

/** Null for a key that acts for no bot. Metadata that is none of ours is an error: a bot must not act as its user. */
export function botOf(metadata: string | null): string | null {
  return metadata === null ? null : (metadataSchema.parse(JSON.parse(metadata))?.botId ?? null)
}
