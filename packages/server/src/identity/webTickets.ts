/**
 * Tickets for the metadata feed: one user, once, within 60 s. Opaque to those who carry them; what they were got with is
 * inside, so that the feed ends with it. Reading one does not use it up, `consume` does.
 */
import { randomUUID } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { Credential } from './caller.ts'
import { derivedKey } from './derivedKey.ts'
import { credentialSchema, type Tickets } from './tickets.ts'

const lifeSeconds = 60

const claimsSchema = z.object({
  type: z.literal('web_ticket'),
  userId: z.string(),
  credential: credentialSchema,
  nonce: z.string().min(1),
  exp: z.number(),
})
export type WebTicketClaims = z.infer<typeof claimsSchema>

export type WebTickets = {
  /** `expiresAt` in Unix seconds. */
  issue(subject: { userId: string; credential: Credential }): Promise<{ ticket: string; expiresAt: number }>
  verify(ticket: string): Promise<WebTicketClaims | null>
  /** True once per ticket. */
  consume(claims: WebTicketClaims): Promise<boolean>
}

export function createWebTickets(options: { secret: string; consume: Tickets['consume'] }): WebTickets {
  const key = derivedKey(options.secret, 'web tickets')
  return {
    async issue({ userId, credential }) {
      const expiresAt = Math.floor(Date.now() / 1000) + lifeSeconds
      const ticket = await new SignJWT({ type: 'web_ticket', userId, credential, nonce: randomUUID() })
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime(expiresAt)
        .sign(key)
      return { ticket, expiresAt }
    },
    async verify(ticket) {
      try {
        const { payload } = await jwtVerify(ticket, key, { algorithms: ['HS256'] })
        return claimsSchema.safeParse(payload).data ?? null
      } catch (error) {
        if (error instanceof errors.JOSEError) return null
        throw error
      }
    },
    consume: ({ nonce, exp }) => options.consume(nonce, exp),
  }
}
