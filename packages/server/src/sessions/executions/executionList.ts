/** The executions of a session, page by page, the newest first. Whose session it is was asked before. */
import { type ExecutionList, invalidInput, type SessionId } from '@corral/protocol'
import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { execution } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import { failureOf } from './executionReads.ts'

const promptCharacters = 200

/** By `execution_order`, read backwards. */
export async function readExecutions(
  orm: Orm,
  id: SessionId,
  page: { limit: number; cursor?: string | undefined },
): Promise<ExecutionList> {
  const rows = await orm
    .select({ row: execution, beginning: sql<string>`left(${execution.prompt}, ${promptCharacters})` })
    .from(execution)
    .where(
      and(
        eq(execution.sessionId, id),
        page.cursor === undefined ? undefined : lt(execution.queuedSeq, seqOf(page.cursor)),
      ),
    )
    .orderBy(desc(execution.queuedSeq))
    .limit(page.limit + 1)
  const last = rows.at(page.limit - 1)
  return {
    executions: rows.slice(0, page.limit).map(({ row, beginning }) => {
      const failure = failureOf(row)
      return {
        executionId: row.id,
        status: row.state,
        prompt: beginning,
        mode: row.request.mode,
        model: row.request.model,
        createdAt: row.createdAt.getTime(),
        ...(row.startedAt && { startedAt: row.startedAt.getTime() }),
        ...(row.endedAt && { endedAt: row.endedAt.getTime() }),
        ...(failure && { failure }),
      }
    }),
    nextCursor: rows.length > page.limit && last ? cursorOf(last.row.queuedSeq) : null,
  }
}

const cursorOf = (seq: number) => Buffer.from(String(seq)).toString('base64url')

function seqOf(cursor: string): number {
  const seq = Number(Buffer.from(cursor, 'base64url').toString())
  if (Number.isSafeInteger(seq) && seq >= 0) return seq
  throw invalidInput('cursor', 'is not a cursor of this list')
}
