/** What a session's programs reached through the web proxy, page by page. Whose session it is was asked before. */
import { type ExecutionId, invalidInput, type NetworkLog, type SessionId } from '@corral/protocol'
import { and, asc, desc, eq, gte, lte, sql } from 'drizzle-orm'
import { networkVisit } from '../../database/gatewayTables.ts'
import type { Orm } from '../../database/transaction.ts'
import { findExecution } from '../executions/executionReads.ts'

export type NetworkLogPage = {
  executionId?: ExecutionId | undefined
  limit: number
  cursor?: string | undefined
}

const minuteMs = 60_000

export async function readNetworkLog(orm: Orm, id: SessionId, page: NetworkLogPage): Promise<NetworkLog> {
  const of = page.executionId ? await findExecution(orm, id, page.executionId) : null
  const since = of && new Date((of.deliveredAt ?? of.createdAt).getTime() - minuteMs)
  const offset = page.cursor === undefined ? 0 : offsetOf(page.cursor)
  // By network_visit_pkey. Rows of a minute that is over do not change, so pages of it do not shift.
  const rows = await orm
    .select()
    .from(networkVisit)
    .where(
      and(
        eq(networkVisit.sessionId, id),
        since ? gte(networkVisit.minute, since) : undefined,
        of?.endedAt ? lte(networkVisit.minute, of.endedAt) : undefined,
      ),
    )
    .orderBy(desc(networkVisit.minute), asc(networkVisit.host), asc(networkVisit.port), sql`refused`)
    .limit(page.limit + 1)
    .offset(offset)
  return {
    visits: rows.slice(0, page.limit).map((row) => ({
      minute: row.minute.getTime(),
      host: row.host,
      port: row.port,
      allowed: row.refused === '',
      ...(row.refused !== '' && { reason: row.refused }),
      visits: row.visits,
      sentBytes: row.sentBytes,
      receivedBytes: row.receivedBytes,
    })),
    nextCursor: rows.length > page.limit ? Buffer.from(String(offset + page.limit)).toString('base64url') : null,
  }
}

function offsetOf(cursor: string): number {
  const offset = Number(Buffer.from(cursor, 'base64url').toString())
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw invalidInput('cursor', 'is not a cursor of this list')
}
