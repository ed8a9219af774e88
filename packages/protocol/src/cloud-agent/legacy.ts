/**
 * Inputs of the four deprecated names, as they travel in a URL. Each is turned into that of the call that took its place.
 * Source: 30-cloud-agent-api §7.
 */
import { z } from 'zod'
import { agentSessionIdSchema } from '../ids.ts'
import { callbackHeaders } from './callbacks.ts'
import { combined, configurationShape } from './configuration.ts'
import { httpUrl } from './fields.ts'
import { initiateInput, sendMessageInput } from './messages.ts'

/** Old clients write booleans as words. */
const wordOrBoolean = z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')])

/** As `prepareSession`; the callback is said in two members of its own. */
export const initiateSessionAsyncInput = combined(
  z
    .strictObject({
      ...configurationShape,
      autoCommit: wordOrBoolean.optional(),
      condenseOnComplete: wordOrBoolean.optional(),
      shallow: wordOrBoolean.optional(),
      callbackUrl: httpUrl,
      callbackHeaders: callbackHeaders.optional(),
    })
    .refine((input) => input.callbackTarget === undefined, {
      message: 'is said by callbackUrl and callbackHeaders here',
      path: ['callbackTarget'],
    }),
).transform(({ callbackUrl, callbackHeaders: sent, ...input }) => ({
  ...input,
  callbackTarget: { type: 'http' as const, url: callbackUrl, headers: sent },
}))

export const sendMessageStreamInput = sendMessageInput

const newFromPushed = combined(z.strictObject({ ...configurationShape, kiloSessionId: agentSessionIdSchema }))

/** A session that is prepared; or a new one, with the history of one that was pushed from a machine. */
export const initiateFromKilocodeSessionInput = z.looseObject({}).transform((input, context) => {
  // A union would say of each wrong member only that none of both forms fits.
  const parsed = 'kiloSessionId' in input ? newFromPushed.safeParse(input) : initiateInput.safeParse(input)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: undefined })
  return z.NEVER
})
