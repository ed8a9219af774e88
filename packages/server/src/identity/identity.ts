/** What the faces ask about callers. Every answer is about now: nothing here is remembered between two requests. */
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import type { Database } from '../database/transaction.ts'
import { type Administration, createAdministration } from './administration.ts'
import type { Auth } from './auth.ts'
import { type Authenticate, createAuthenticate } from './bearer.ts'
import type { Membership } from './caller.ts'
import { createFirstSignIn } from './firstSignIn.ts'
import { createMembership } from './membership.ts'
import { createSignIn, type SignIn } from './signIn.ts'
import { createStandings, type Standings } from './standings.ts'
import { createTickets, type Tickets } from './tickets.ts'
import { createWebTickets, type WebTickets } from './webTickets.ts'

export type Identity = {
  authenticate: Authenticate
  signIn: SignIn
  membership: Membership
  tickets: Tickets
  webTickets: WebTickets
  standings: Standings
  administration: Administration
}

export function createIdentity(options: {
  database: Database
  auth: Auth
  nextAuthSecret: string
  internalApiSecret: string
  /** Whether people can sign in by GitHub. */
  github: boolean
  timers: Pick<Timers, 'accessCheckMs'>
  logger: Logger
}): Identity {
  const { database, auth, nextAuthSecret, internalApiSecret, github, timers, logger } = options
  const { pool } = database
  const standings = createStandings({ pool, intervalMs: timers.accessCheckMs, logger })
  const tickets = createTickets({ database, secret: nextAuthSecret })
  const hashPassword = async (password: string) => (await auth.$context).password.hash(password)
  const first = createFirstSignIn({ database, secret: nextAuthSecret, hashPassword })
  const signIn = createSignIn({ auth, first, github, changed: standings.changed })
  return {
    authenticate: createAuthenticate({ pool, nextAuthSecret, internalApiSecret, signIn }),
    signIn,
    membership: createMembership(pool),
    tickets,
    webTickets: createWebTickets({ secret: nextAuthSecret, consume: tickets.consume }),
    standings,
    administration: createAdministration({ database, hashPassword, changed: standings.changed }),
  }
}
