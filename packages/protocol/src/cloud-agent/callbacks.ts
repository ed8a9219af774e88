/**
 * Callbacks: where a session's outcomes are sent, and how an owner looks after their delivery. Source:
 * 30-cloud-agent-api §14.
 */
import { z } from 'zod'
import { cursor, headers, httpUrl, organizationId, text, wholeNumber } from './fields.ts'
import { sessionNamed, sessionNames } from './names.ts'

/** What we say ourselves in a delivery. */
const ourHeaders = /^(host|content-.*|transfer-encoding|connection|webhook-.*|x-corral-.*)$/i
export const callbackHeaders = headers.superRefine((given, context) => {
  for (const name of Object.keys(given)) {
    if (ourHeaders.test(name)) context.addIssue({ code: 'custom', path: [name], message: 'is set by Corral itself' })
  }
})

export const callbackTargetSchema = z.strictObject({
  type: z.literal('http', 'must be http').default('http'),
  url: httpUrl,
  headers: callbackHeaders.optional(),
})
export type CallbackTarget = z.infer<typeof callbackTargetSchema>

export const deliveryStates = ['waiting', 'pending', 'delivered', 'dead'] as const
export type DeliveryState = (typeof deliveryStates)[number]

export const listCallbacksInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    state: z.enum(deliveryStates).optional(),
    limit: wholeNumber(1, 100).default(50),
    cursor: cursor.optional(),
  }),
)
export const redeliverCallbackInput = sessionNamed(z.strictObject({ ...sessionNames, deliveryId: text({ max: 100 }) }))
/** Keys belong to the owner of sessions: the user, or the organization that is named. */
export const callbackKeysInput = z.strictObject({ kilocodeOrganizationId: organizationId.optional() })
