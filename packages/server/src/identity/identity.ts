/** What the faces ask about callers. Every answer is about now: nothing here is remembered between two requests. */
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import type { Database } from '../database/transaction.ts'
import { type Authenticate, createAuthenticate } from './bearer.ts'
import type { Membership } from './caller.ts'
import { createMembership } from './membership.ts'
import { createStandings, type Standings } from './standings.ts'
import { createTickets, type Tickets } from './tickets.ts'

export type Identity = { authenticate: Authenticate; membership: Membership; tickets: Tickets; standings: Standings }

export function createIdentity(options: {
  database: Database
  nextAuthSecret: string
  internalApiSecret: string
  timers: Pick<Timers, 'accessCheckMs'>
  logger: Logger
}): Identity {
  const { database, nextAuthSecret, internalApiSecret, timers, logger } = options
  const { pool } = database
  return {
    authenticate: createAuthenticate({ pool, nextAuthSecret, internalApiSecret }),
    membership: createMembership(pool),
    tickets: createTickets({ database, secret: nextAuthSecret }),
    standings: createStandings({ pool, intervalMs: timers.accessCheckMs, logger }),
  }
}
