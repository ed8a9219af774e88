/**
 * Runs what is due in one table of rows that have `wakeAt`: claim, decide, act, until the decision is to wait.
 * Invariants: a row is worked on by one claim at a time; an effect runs with no transaction open; a result is written
 * only while the claim still holds; a wake that comes during an effect is never lost. Source: 10-engine "The reconciler".
 */
import type { Logger } from 'pino'
import type { Database, Tx } from './transaction.ts'

export type Claim = {
  /** As in the table: a UUID for sessions, text for the others. */
  key: string
  claimNo: number
  /** `wakeNo` as of the last look; the wait that follows counts only if it has not moved. */
  wakeNo: number
}

export type Reconciler = {
  /** Something may be due now. */
  poke(): void
  /** Stops taking work and waits for what is under way. */
  close(): Promise<void>
}

/** What can be reconciled. */
type Table = 'session' | 'sandbox' | 'callback'

const defaultConcurrency = 16
/** A row that never comes to a wait is a defect; it is put off and logged instead of spinning. */
const maxSteps = 50
const troubleDelayMs = 2_000

export function createReconciler(options: {
  database: Database
  table: Table
  /** How many rows are worked on at a time. */
  concurrency?: number
  /** Looks at the row and does one thing; `'again'` to be asked at once, or until when to wait. */
  step(claim: Claim): Promise<'again' | { until: Date | null }>
  timers: { claimMs: number; reconcilerPollMs: number }
  logger: Logger
}): Reconciler {
  const { database, table, concurrency = defaultConcurrency, step, timers, logger } = options
  const underWay = new Map<string, Promise<void>>()
  let closed = false
  let looking = false
  let lookAgain = false

  const claimSql = `
    update ${table} set claim_no = claim_no + 1, claim_until = now() + $2 * interval '1 ms'
    where id in (
      select id from ${table}
      where wake_at <= now() and (claim_until is null or claim_until < now())
      order by wake_at limit $1 for update skip locked)
    returning id as key, claim_no as "claimNo", wake_no as "wakeNo"`

  async function look(): Promise<void> {
    if (looking) {
      lookAgain = true
      return
    }
    looking = true
    try {
      do {
        lookAgain = false
        const room = concurrency - underWay.size
        if (closed || room <= 0) return
        const { rows } = await database.transaction((tx) =>
          tx.client.query<Claim>({ name: `claim_${table}`, text: claimSql, values: [room, timers.claimMs] }),
        )
        for (const claim of rows) start(claim)
      } while (lookAgain)
    } catch (error) {
      logger.warn({ table, error }, 'could not look for due rows; will look again')
    } finally {
      looking = false
    }
  }

  function start(claim: Claim): void {
    const done = run(claim).finally(() => {
      underWay.delete(claim.key)
      poke()
    })
    underWay.set(claim.key, done)
  }

  async function run(claim: Claim): Promise<void> {
    const renewal = setInterval(() => {
      void renew(claim).catch((error: unknown) => logger.warn({ table, key: claim.key, error }, 'claim not renewed'))
    }, timers.claimMs / 3)
    try {
      for (let steps = 0; steps < maxSteps; steps++) {
        const result = await step(claim)
        if (result !== 'again') return await release(claim, result.until)
        if (closed) return await release(claim, new Date(0))
      }
      logger.error({ table, key: claim.key, steps: maxSteps }, 'a row does not come to rest')
      await postpone(claim)
    } catch (error) {
      logger.error({ table, key: claim.key, error }, 'a step failed; the row is looked at again')
      await postpone(claim).catch((again: unknown) =>
        logger.warn({ table, key: claim.key, error: again }, 'not put off'),
      )
    } finally {
      clearInterval(renewal)
    }
  }

  async function renew(claim: Claim): Promise<void> {
    await database.pool.query(
      `update ${table} set claim_until = now() + $3 * interval '1 ms' where id = $1 and claim_no = $2`,
      [claim.key, claim.claimNo, timers.claimMs],
    )
  }

  async function release(claim: Claim, until: Date | null): Promise<void> {
    await database.transaction((tx) =>
      tx.client.query({
        name: `release_${table}`,
        text: `update ${table} set claim_until = null, wake_at = case when wake_no = $3 then $4::timestamptz else now() end
               where id = $1 and claim_no = $2`,
        values: [claim.key, claim.claimNo, claim.wakeNo, until],
      }),
    )
  }

  async function postpone(claim: Claim): Promise<void> {
    await database.transaction((tx) =>
      tx.client.query(
        `update ${table} set claim_until = null, wake_at = now() + $3 * interval '1 ms' where id = $1 and claim_no = $2`,
        [claim.key, claim.claimNo, troubleDelayMs],
      ),
    )
  }

  const poll = setInterval(() => void look(), timers.reconcilerPollMs)

  function poke(): void {
    if (!closed) void look()
  }

  return {
    poke,
    async close() {
      closed = true
      clearInterval(poll)
      await Promise.all(underWay.values())
    },
  }
}

/**
 * What the server before us had claimed when it died. Its term is over, so it can write nothing more, and nobody has to
 * wait until its claims run out. To be called before the first look. Indexes: those of what is due.
 */
export async function freeClaims(database: Database): Promise<void> {
  await database.transaction(async ({ client }) => {
    for (const table of ['session', 'sandbox', 'callback'] satisfies Table[]) {
      await client.query(`update ${table} set claim_until = null where wake_at is not null and claim_until is not null`)
    }
  })
}

/** The claim on this row is no longer ours: another look has been begun, and this one's result must not be written. */
class ClaimLost extends Error {
  constructor() {
    super('the claim on this row is no longer ours')
    this.name = 'ClaimLost'
  }
}

/** Locks the row for the transaction that writes an effect's result, if the claim is still ours. */
export async function holdClaim(tx: Tx, table: Table, claim: Claim): Promise<void> {
  const { rowCount } = await tx.client.query({
    name: `hold_claim_${table}`,
    text: `select 1 from ${table} where id = $1 and claim_no = $2 for update`,
    values: [claim.key, claim.claimNo],
  })
  if (rowCount !== 1) throw new ClaimLost()
}
