/** What the owner of a session sees of its callbacks, and may do about them. Whose it is was asked before. */
import {
  type CallbackList,
  type CallbackView,
  CorralError,
  type DeliveryState,
  type ExecutionId,
  invalidInput,
  type SessionId,
} from '@corral/protocol'
import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import { callback } from '../database/callbackTables.ts'
import type { Database, Orm } from '../database/transaction.ts'
import { maxAttempts } from './decide.ts'

type CallbackRow = typeof callback.$inferSelect

export type LookAfterCallbacks = {
  /** Newest first. */
  list(
    sessionId: SessionId,
    page: { state?: DeliveryState | undefined; limit: number; cursor?: string | undefined },
  ): Promise<CallbackList>
  /** Begins anew with the same body, unless it is under way. Throws `delivery_not_found`. */
  redeliver(sessionId: SessionId, deliveryId: string): Promise<CallbackView>
}

export function createLookAfterCallbacks(deps: { database: Database; wake(): void }): LookAfterCallbacks {
  const { database, wake } = deps
  return {
    async list(sessionId, { state, limit, cursor }) {
      // Index callback_session.
      const rows = await database.orm
        .select()
        .from(callback)
        .where(
          and(
            eq(callback.sessionId, sessionId),
            state && eq(callback.state, state),
            cursor === undefined ? undefined : lt(callback.number, numberOf(cursor)),
          ),
        )
        .orderBy(desc(callback.number))
        .limit(limit + 1)
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        callbacks: page.map(viewOf),
        nextCursor: rows.length > limit && last ? Buffer.from(String(last.number)).toString('base64url') : null,
      }
    },

    redeliver: (sessionId, deliveryId) =>
      database.transaction(async (tx) => {
        const named = and(
          eq(callback.sessionId, sessionId),
          // As text: what is no id of ours is the id of none.
          sql`${callback.id} = ${deliveryId}`,
        )
        const [begun] = await tx.orm
          .update(callback)
          .set({ state: 'pending', attemptsLeft: maxAttempts, wakeAt: sql`now()`, wakeNo: sql`${callback.wakeNo} + 1` })
          .where(and(named, inArray(callback.state, ['delivered', 'dead'])))
          .returning()
        if (begun) tx.afterCommit(wake)
        const [row] = begun ? [begun] : await tx.orm.select().from(callback).where(named)
        if (!row) throw new CorralError('delivery_not_found')
        return viewOf(row)
      }),
  }
}

/** What the result of an execution says of its callback. Index callback_execution. */
export async function callbackOf(
  orm: Pick<Orm, 'select'>,
  executionId: ExecutionId,
): Promise<Pick<CallbackView, 'state' | 'attempts'> | null> {
  const [row] = await orm
    .select({ state: callback.state, attempts: callback.attempts })
    .from(callback)
    .where(eq(callback.executionId, executionId))
  return row ?? null
}

const viewOf = ({ id, executionId, state, attempts }: CallbackRow): CallbackView => ({
  deliveryId: id,
  executionId,
  state,
  attempts,
})

function numberOf(cursor: string): number {
  const number = Number(Buffer.from(cursor, 'base64url').toString())
  if (!Number.isSafeInteger(number)) throw invalidInput('cursor', 'is not a cursor of this list')
  return number
}
