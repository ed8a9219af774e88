/**
 * Stream tickets: one user, one session, one purpose, once, within 60 s. A ticket is signed with a key of its own, so
 * it is no bearer; reading it does not use it up, `consume` does, and gives true to the first who asks.
 */
import { randomUUID } from 'node:crypto'
import {
  type AgentSessionId,
  agentSessionIdSchema,
  ptyIdSchema,
  type SessionId,
  sessionIdSchema,
} from '@corral/protocol'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { Database } from '../database/transaction.ts'
import type { Credential } from './caller.ts'
import { derivedKey } from './derivedKey.ts'

const lifeSeconds = 60
/** Used nonces are kept for longer than their tickets, by more than the clocks of server and database may differ. */
const cleaningIntervalMs = 10 * 60_000

export const credentialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('key'), id: z.string() }),
  z.strictObject({ kind: z.literal('sign-in'), id: z.string() }),
  z.strictObject({ kind: z.literal('token') }),
]) satisfies z.ZodType<Credential>

/** What a ticket opens: the stream of a session, or one of its terminals. */
const purposeSchema = z.union([
  z.object({ purpose: z.literal('stream') }),
  z.object({ purpose: z.literal('terminal'), ptyId: ptyIdSchema }),
])
export type TicketPurpose = z.infer<typeof purposeSchema>

const commonClaimsSchema = z.object({
  type: z.literal('stream_ticket'),
  userId: z.string(),
  kiloSessionId: agentSessionIdSchema,
  cloudAgentSessionId: sessionIdSchema,
  organizationId: z.string().optional(),
  /** What the ticket was got with; the stream that it opens ends with it. */
  credential: credentialSchema,
  nonce: z.string().min(1),
  /** Unix seconds. */
  iat: z.number(),
  exp: z.number(),
})
const claimsSchema = z.intersection(commonClaimsSchema, purposeSchema)
export type TicketClaims = z.infer<typeof claimsSchema>

export type TicketSubject = TicketPurpose & {
  userId: string
  kiloSessionId: AgentSessionId
  cloudAgentSessionId: SessionId
  organizationId: string | null
  credential: Credential
}

export type Tickets = {
  /** `expiresAt` in Unix seconds. */
  issue(subject: TicketSubject): Promise<{ ticket: string; expiresAt: number }>
  /** Signature, form and time. Whether the ticket fits the request and access still stands is the caller's to ask. */
  verify(ticket: string): Promise<{ ok: true; claims: TicketClaims } | { ok: false }>
  /** True once per nonce. `exp` is the ticket's, in Unix seconds. */
  consume(nonce: string, exp: number): Promise<boolean>
}

/** `now` in milliseconds. */
export function createTickets(options: { database: Database; secret: string; now?: () => number }): Tickets {
  const { database, secret, now = Date.now } = options
  const key = derivedKey(secret, 'stream tickets')
  let cleanAt = 0

  async function issue(subject: TicketSubject) {
    const iat = Math.floor(now() / 1000)
    const expiresAt = iat + lifeSeconds
    const { organizationId, ...rest } = subject
    const ticket = await new SignJWT({
      type: 'stream_ticket',
      ...rest,
      ...(organizationId !== null && { organizationId }),
      nonce: randomUUID(),
    })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuedAt(iat)
      .setExpirationTime(expiresAt)
      .sign(key)
    return { ticket, expiresAt }
  }

  async function verify(ticket: string): ReturnType<Tickets['verify']> {
    try {
      const { payload } = await jwtVerify(ticket, key, { algorithms: ['HS256'], currentDate: new Date(now()) })
      const claims = claimsSchema.safeParse(payload)
      return claims.success ? { ok: true, claims: claims.data } : { ok: false }
    } catch (error) {
      if (error instanceof errors.JOSEError) return { ok: false }
      throw error
    }
  }

  async function consume(nonce: string, exp: number): Promise<boolean> {
    return database.transaction(async ({ client }) => {
      if (now() >= cleanAt) {
        cleanAt = now() + cleaningIntervalMs
        await client.query(`delete from used_ticket where expires_at < now() - interval '10 minutes'`)
      }
      const inserted = await client.query({
        name: 'use_ticket',
        text: 'insert into used_ticket (nonce, expires_at) values ($1, to_timestamp($2)) on conflict do nothing',
        values: [nonce, exp],
      })
      return inserted.rowCount === 1
    })
  }

  return { issue, verify, consume }
}
