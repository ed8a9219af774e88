/** Tickets at the socket: which ones open it, what the others learn, and that no log has one. */
import { newAgentSessionId, newSessionId, type SessionId } from '@corral/protocol'
import { SignJWT } from 'jose'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { derivedKey } from '../../identity/derivedKey.ts'
import { nextAuthSecret, signedToken } from '../../identity/testIdentity.ts'
import { createTickets, type TicketSubject } from '../../identity/tickets.ts'
import { statementsOf } from '../../testing/statements.ts'
import { testStream } from './testStream.ts'

const logged: string[] = []
let face: Awaited<ReturnType<typeof testStream>>
beforeAll(async () => {
  face = await testStream({ logger: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }) })
})
afterAll(() => face[Symbol.asyncDispose]())

const subjectOf = (cloudAgentSessionId: SessionId, userId = face.operator.userId): TicketSubject => ({
  purpose: 'stream',
  userId,
  kiloSessionId: newAgentSessionId(),
  cloudAgentSessionId,
  organizationId: null,
  credential: { kind: 'token' },
})
const dial = (cloudAgentSessionId: SessionId, ticket: string) => face.dial({ cloudAgentSessionId, ticket })
const refused = { status: 401, body: { error: 'ticket_refused' } }

/** Signed as ours are, with other claims. */
const signed = (claims: object, key = derivedKey(nextAuthSecret, 'stream tickets')) =>
  new SignJWT({ type: 'stream_ticket', nonce: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('60 s')
    .sign(key)

describe('the socket does not open for', () => {
  const wrong: [what: string, ticket: (session: SessionId) => Promise<string>][] = [
    [
      'a ticket that has ended',
      async (session) => {
        const past = createTickets({ database: face.database, secret: nextAuthSecret, now: () => Date.now() - 120_000 })
        return (await past.issue(subjectOf(session))).ticket
      },
    ],
    [
      'a ticket that another secret signed',
      async (session) => {
        const other = createTickets({ database: face.database, secret: 'x'.repeat(40) })
        return (await other.issue(subjectOf(session))).ticket
      },
    ],
    ['a ticket for another purpose', (session) => signed({ ...subjectOf(session), purpose: 'terminal' })],
    ['a ticket without a nonce', (session) => signed({ ...subjectOf(session), nonce: undefined })],
    ['a ticket of another type', (session) => signed({ ...subjectOf(session), type: 'bearer' })],
    ['a ticket that does not say what it was got with', (session) => signed({ ...subjectOf(session), credential: {} })],
    [
      'a ticket that is signed with the secret itself',
      (session) => signed(subjectOf(session), new TextEncoder().encode(nextAuthSecret)),
    ],
    ['a bearer', () => signedToken(face.operator.userId)],
    ['an API key', async () => face.operator.apiKey],
  ]
  test.each(wrong)('%s', async (_, ticketFor) => {
    const session = await face.addSession()
    expect(await dial(session, await ticketFor(session))).toMatchObject(refused)
  })

  test('the second use of a ticket, also after the first socket is gone', async () => {
    const session = await face.addSession()
    const ticket = await face.ticket(session)
    const first = await dial(session, ticket)
    if ('status' in first) throw new Error('refused')
    expect(await dial(session, ticket)).toMatchObject(refused)
    first.socket.close()
    await first.closed
    expect(await dial(session, ticket)).toMatchObject(refused)
  })
})

describe('what is not one’s own', () => {
  const ask = (session: SessionId, userId: string) =>
    statementsOf(async () => {
      const { ticket } = await face.identity.tickets.issue(subjectOf(session, userId))
      return dial(session, ticket)
    })

  test('is refused like what never was, by the same SQL', async () => {
    const stranger = await face.newUser()
    const none = await ask(newSessionId(), stranger.userId)
    expect(none.result).toMatchObject({ status: 404, body: { error: 'session_not_found' } })
    expect(await ask(await face.addSession(), stranger.userId)).toEqual(none)
  })

  test('is not told by a ticket for something else either', async () => {
    const ticket = await face.ticket(await face.addSession())
    const none = await statementsOf(() => dial(newSessionId(), ticket))
    const foreign = await face.addSession()
    expect(none.result).toMatchObject({ status: 403, body: { error: 'ticket_mismatch' } })
    expect(await statementsOf(() => dial(foreign, ticket))).toEqual(none)
  })
})

test('no ticket is in any line of the log, whichever way it came and however it went', async () => {
  const session = await face.addSession()
  const tickets = await Promise.all(Array.from({ length: 4 }, () => face.ticket(session)))
  const [opening = '', carried = '', twice = '', unfit = ''] = tickets
  const protocols = ['corral.v1', `corral.ticket.${carried}`]
  const answers = [
    await dial(session, opening),
    await face.dial({ cloudAgentSessionId: session }, { protocols }),
    await dial(session, opening),
    await face.dial({ cloudAgentSessionId: session, ticket: twice }, { protocols }),
    await face.dial({ cloudAgentSessionId: session, ticket: unfit, fromId: '99' }),
  ]
  expect(answers.map((answer) => ('status' in answer ? answer.status : 101))).toEqual([101, 101, 401, 400, 400])
  for (const answer of answers) {
    if ('status' in answer) expect(JSON.stringify(answer.body)).not.toMatch(/eyJ/)
    else answer.socket.close()
  }
  // A fault of ours on the way is logged, and tells of no ticket either.
  await face.database.pool.query('alter table used_ticket rename to used_ticket_gone')
  expect(await dial(session, await face.ticket(session))).toMatchObject({ status: 500 })
  await face.database.pool.query('alter table used_ticket_gone rename to used_ticket')
  expect(logged.join('')).toContain('a viewer could not be admitted')
  expect(logged.join('')).not.toMatch(/eyJ/)
})
