/** What the faces ask about callers. Every answer is about now: nothing here is remembered between two requests. */
import type { Database } from '../database/transaction.ts'
import { type Authenticate, createAuthenticate } from './bearer.ts'
import type { Membership } from './caller.ts'
import { createMembership } from './membership.ts'
import { createTickets, type Tickets } from './tickets.ts'

export type Identity = { authenticate: Authenticate; membership: Membership; tickets: Tickets }

export function createIdentity(options: {
  database: Database
  nextAuthSecret: string
  internalApiSecret: string
}): Identity {
  const { database, nextAuthSecret, internalApiSecret } = options
  const { pool } = database
  return {
    authenticate: createAuthenticate({ pool, nextAuthSecret, internalApiSecret }),
    membership: createMembership(pool),
    tickets: createTickets({ database, secret: nextAuthSecret }),
  }
}
