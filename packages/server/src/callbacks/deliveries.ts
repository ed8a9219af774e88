/**
 * Delivers callbacks: looks at a row that is due, and does the one thing that `decide.ts` says. The body is committed
 * before the first attempt, and what came of an attempt before the next; a crash between the two repeats the attempt
 * with the same bytes and the same id, which is what receivers are promised.
 */
import type { SessionId } from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import { callback } from '../database/callbackTables.ts'
import { type Claim, createReconciler, holdClaim, type Reconciler } from '../database/reconciler.ts'
import { execution } from '../database/schema.ts'
import type { Database, Orm, Tx } from '../database/transaction.ts'
import type { SendAttempt } from './attempt.ts'
import { callbackBody, type ExecutionReport } from './body.ts'
import { type AttemptOutcome, decideCallback, stateAfter, withAttempt } from './decide.ts'
import type { CallbackKeys } from './keys.ts'
import type { CallbackTargets, StoredTarget } from './target.ts'

type CallbackRow = typeof callback.$inferSelect

export type DeliveryDependencies = {
  database: Database
  targets: Pick<CallbackTargets, 'open'>
  keys: Pick<CallbackKeys, 'active'>
  send: SendAttempt
  /** How an execution that has ended did so; null when it is gone. */
  report(orm: Orm, executionId: CallbackRow['executionId']): Promise<ExecutionReport | null>
  /** For figures. */
  attempted?: ((outcome: AttemptOutcome) => void) | undefined
  timers: Timers
  logger: Logger
}

/** A receiver that hangs holds its place for as long as an attempt may take, and no connection of the database. */
const deliveriesAtOnce = 64

export function createDeliveries(deps: DeliveryDependencies): Reconciler {
  const { database, timers, logger } = deps
  const stopping = new AbortController()

  const reconciler = createReconciler({
    database,
    table: 'callback',
    concurrency: deliveriesAtOnce,
    timers,
    logger,
    async step(claim) {
      const [look] = await database.orm
        .select({
          row: callback,
          finalization: execution.finalization,
          now: sql<Date>`clock_timestamp()`.mapWith(callback.createdAt),
        })
        .from(callback)
        .leftJoin(execution, eq(execution.id, callback.executionId))
        .where(sql`${callback.id} = ${claim.key}`)
      if (!look) return { until: null }
      claim.wakeNo = look.row.wakeNo
      const action = decideCallback({ ...look.row, finalization: look.finalization }, look.now, timers)
      switch (action.do) {
        case 'wait':
          return { until: action.until }
        case 'fixBody':
          await fixBody(claim, look.row)
          return 'again'
        case 'attempt':
          if (stopping.signal.aborted) return { until: look.now }
          return (await attempt(claim, look.row)) ? 'again' : { until: look.now }
        case 'forget':
          await database.transaction(async (tx) => {
            await holdClaim(tx, 'callback', claim)
            await tx.orm.delete(callback).where(eq(callback.id, look.row.id))
          })
          return { until: null }
      }
    },
  })

  async function fixBody(claim: Claim, row: CallbackRow): Promise<void> {
    const report = await deps.report(database.orm, row.executionId)
    await database.transaction(async (tx) => {
      await holdClaim(tx, 'callback', claim)
      await storeBody(tx, row, report)
    })
  }

  /** False when the server stopped in between. */
  async function attempt(claim: Claim, row: CallbackRow): Promise<boolean> {
    const target = deps.targets.open(row.executionId, row.target)
    const outcome = target === null ? { error: 'target_unreadable' as const } : await sendOnce(row, target)
    if (outcome === null) return false
    const attemptsLeft = row.attemptsLeft - 1
    const state = stateAfter(outcome, attemptsLeft)
    await database.transaction(async (tx) => {
      await holdClaim(tx, 'callback', claim)
      await tx.orm
        .update(callback)
        .set({
          state,
          attemptNo: row.attemptNo + 1,
          attemptsLeft,
          attempts: withAttempt(row.attempts, { at: Date.now(), ...outcome }),
          attemptedAt: sql`clock_timestamp()`,
        })
        .where(eq(callback.id, row.id))
    })
    deps.attempted?.(outcome)
    const { id: deliveryId, sessionId, executionId } = row
    const origin = target && new URL(target.url).origin
    logger.info(
      { deliveryId, sessionId, executionId, origin, attempt: row.attemptNo + 1, ...outcome, state },
      'callback',
    )
    return true
  }

  async function sendOnce(row: CallbackRow, target: StoredTarget): Promise<AttemptOutcome | null> {
    if (row.body === null) throw new Error(`callback ${row.id} is ${row.state} without a body`)
    const keys = await deps.keys.active(row.owner)
    try {
      return await deps.send({
        target,
        idempotencyKey: row.executionId,
        body: row.body,
        keys,
        number: row.attemptNo + 1,
        timeoutMs: timers.callbackAttemptMs,
        signal: stopping.signal,
      })
    } catch (error) {
      if (stopping.signal.aborted) return null
      throw error
    }
  }

  return {
    poke: reconciler.poke,
    async close() {
      stopping.abort()
      await reconciler.close()
    },
  }
}

/** Once: what was fixed stays. Null when the execution has left no trace; then nothing can be told. */
async function storeBody(tx: Tx, row: Pick<CallbackRow, 'id'>, report: ExecutionReport | null): Promise<void> {
  const untold = and(eq(callback.id, row.id), eq(callback.state, 'waiting'))
  if (report === null) await tx.orm.delete(callback).where(untold)
  else
    await tx.orm
      .update(callback)
      .set({ state: 'pending', body: callbackBody(report) })
      .where(untold)
}

/** Before a session's rows go: what is owed of it is told from what they say now. */
export async function fixBodiesOf(
  { database, report }: Pick<DeliveryDependencies, 'database' | 'report'>,
  sessionId: SessionId,
): Promise<void> {
  const waiting = await database.orm
    .select({ id: callback.id, executionId: callback.executionId })
    .from(callback)
    .where(and(eq(callback.sessionId, sessionId), eq(callback.state, 'waiting')))
  for (const row of waiting) {
    const told = await report(database.orm, row.executionId)
    await database.transaction((tx) => storeBody(tx, row, told))
  }
}
