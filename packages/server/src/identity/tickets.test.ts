import { afterAll, describe, expect, test } from 'vitest'
import { nextAuthSecret, testIdentity } from './testIdentity.ts'
import { createTickets, type TicketSubject } from './tickets.ts'

const world = await testIdentity()
const { database, operator } = world
afterAll(() => world[Symbol.asyncDispose]())

const subject: TicketSubject = {
  purpose: 'stream',
  userId: operator.userId,
  cloudAgentSessionId: 'agent_00000000-0000-4000-8000-000000000000',
  kiloSessionId: 'ses_000000000000AAAAAAAAAAAAAA',
  organizationId: null,
  credential: { kind: 'key', id: 'a-key' },
}
let now = Date.now()
const tickets = createTickets({ database, secret: nextAuthSecret, now: () => now })

describe('a stream ticket', () => {
  test('says for whom, for which session and for what it is', async () => {
    const { ticket, expiresAt } = await tickets.issue({ ...subject, organizationId: 'org' })
    const iat = Math.floor(now / 1000)
    expect(expiresAt).toBe(iat + 60)
    expect(await tickets.verify(ticket)).toEqual({
      ok: true,
      claims: {
        type: 'stream_ticket',
        ...subject,
        organizationId: 'org',
        nonce: expect.any(String),
        iat,
        exp: expiresAt,
      },
    })
  })

  test('ends after 60 s', async () => {
    const { ticket } = await tickets.issue(subject)
    now += 59_000
    expect(await tickets.verify(ticket)).toMatchObject({ ok: true })
    now += 2_000
    expect(await tickets.verify(ticket)).toEqual({ ok: false })
  })

  test('counts only as it was signed, and where it was signed', async () => {
    const { ticket } = await tickets.issue(subject)
    const [header, payload, signature] = ticket.split('.')
    const claims = JSON.parse(Buffer.from(String(payload), 'base64url').toString())
    const forged = Buffer.from(JSON.stringify({ ...claims, userId: 'another' })).toString('base64url')
    expect(await tickets.verify(`${header}.${forged}.${signature}`)).toEqual({ ok: false })
    const elsewhere = createTickets({ database, secret: `${nextAuthSecret}!`, now: () => now })
    expect(await elsewhere.verify(ticket)).toEqual({ ok: false })
    for (const nonsense of ['', 'x', 'a.b.c']) expect(await tickets.verify(nonsense)).toEqual({ ok: false })
  })

  test('is used up by one of those who show it at once', async () => {
    const { ticket } = await tickets.issue(subject)
    const verified = await Promise.all(Array.from({ length: 20 }, () => tickets.verify(ticket)))
    const uses = await Promise.all(
      verified.map((each) => each.ok && tickets.consume(each.claims.nonce, each.claims.exp)),
    )
    expect(uses.filter((first) => first)).toHaveLength(1)
  })

  test('is forgotten some time after its end', async () => {
    const exp = Math.floor(Date.now() / 1000)
    await tickets.consume('long-ended', exp - 3_600)
    await tickets.consume('just-ended', exp - 30)
    now += 11 * 60_000
    await tickets.consume('new', exp + 60)
    const { rows } = await database.pool.query(
      `select nonce from used_ticket where nonce in ('long-ended', 'just-ended', 'new') order by nonce`,
    )
    expect(rows).toEqual([{ nonce: 'just-ended' }, { nonce: 'new' }])
  })
})
