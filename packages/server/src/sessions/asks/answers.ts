/**
 * Answers of people. An answer is recorded and told in one transaction, and handed to the agent after it, so a lost
 * link only delays it. Invariants: the first answer wins; the same again is a success; an answer that does not fit, or
 * comes too late, changes nothing.
 */
import {
  type AskAnswer,
  type AskKind,
  type AskState,
  type AskView,
  answersProblem,
  CorralError,
  invalidInput,
  type permissionReplies,
  questionRequestSchema,
  type SessionId,
  sameAnswer,
} from '@corral/protocol'
import { and, desc, eq, sql } from 'drizzle-orm'
import { ask } from '../../database/askTables.ts'
import { sessionHead } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import { wakeSessions } from '../../database/wake.ts'
import { recordAudit } from '../../identity/audit.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import { findOwned, lockOwned } from '../access.ts'
import { type AskRow, close, closingEvent, named } from './asks.ts'

export type PermissionAnswer = {
  permissionId: string
  reply: (typeof permissionReplies)[number]
  message?: string | undefined
}

/** What one look at the asks of a session shows. */
const mostShown = 100

export function createAnswers(deps: { database: Database; log: Pick<Log, 'appendIn'>; wake(): void }) {
  const { database, log, wake } = deps

  async function record(
    caller: Caller,
    id: SessionId,
    which: { kind: AskKind; askId: string },
    answerTo: (row: AskRow) => AskAnswer,
  ): Promise<void> {
    await database.transaction(async (tx) => {
      const { organizationId } = await lockOwned(tx, caller, id)
      const row = await find(tx, id, which)
      const answer = answerTo(row)
      if (row.state === 'answered' && row.answer) {
        if (sameAnswer(row.answer, answer)) return
        throw new CorralError('already_answered', { details: { answer: row.answer } })
      }
      if (row.state !== 'open') throw new CorralError('no_longer_open')
      const [closed] = await close(tx, named(id, row.id), { state: 'answered', answer, answeredBy: caller.userId })
      if (!closed) throw new CorralError('no_longer_open')
      // The time that people took is not held against the agent.
      await tx.orm.update(sessionHead).set({ lastProgressAt: sql`now()` }).where(eq(sessionHead.sessionId, id))
      await log.appendIn(tx, id, [closingEvent(closed, 'user')])
      await recordAudit(tx, caller, {
        action: 'session.answered',
        subject: id,
        organizationId,
        details: deedOf(closed),
      })
      await wakeSessions(tx, [id])
      tx.afterCommit(wake)
    })
  }

  return {
    answerQuestion: (
      caller: Caller,
      id: SessionId,
      { questionId, answers }: { questionId: string; answers: string[][] },
    ) =>
      record(caller, id, { kind: 'question', askId: questionId }, ({ request }) => {
        const problem = answersProblem(questionRequestSchema.parse(request).questions, answers)
        if (problem) throw invalidInput(problem.path, problem.message)
        return { kind: 'answers', answers }
      }),

    rejectQuestion: (caller: Caller, id: SessionId, questionId: string) =>
      record(caller, id, { kind: 'question', askId: questionId }, () => ({ kind: 'rejected' })),

    answerPermission: (caller: Caller, id: SessionId, { permissionId, reply, message }: PermissionAnswer) =>
      record(caller, id, { kind: 'permission', askId: permissionId }, () => ({
        kind: 'reply',
        reply,
        ...(message !== undefined && { message }),
      })),

    /** Newest last. */
    async list(caller: Caller, id: SessionId, state: AskState | undefined): Promise<AskView[]> {
      await findOwned(database.orm, caller, { sessionId: id })
      const rows = await database.orm
        .select()
        .from(ask)
        .where(and(eq(ask.sessionId, id), state && eq(ask.state, state)))
        .orderBy(desc(ask.askedAt), desc(ask.id))
        .limit(mostShown)
      return rows.reverse().map(viewOf)
    },
  }
}

/** Which ask, and whether it was allowed; not what was asked or said. */
const deedOf = ({ id, answer }: AskRow) => ({ ask: id, ...(answer?.kind === 'reply' && { reply: answer.reply }) })

async function find(tx: Tx, id: SessionId, { kind, askId }: { kind: AskKind; askId: string }): Promise<AskRow> {
  const [row] = await tx.orm
    .select()
    .from(ask)
    .where(and(named(id, askId), eq(ask.kind, kind)))
  if (!row) throw new CorralError(kind === 'question' ? 'question_not_found' : 'permission_not_found')
  return row
}

const viewOf = (row: AskRow): AskView => ({
  id: row.id,
  kind: row.kind,
  executionId: row.executionId,
  state: row.state,
  request: row.request,
  askedAt: row.askedAt.getTime(),
  expiresAt: row.askedAt.getTime() + row.deadlineMs,
  ...(row.answer && { answer: row.answer }),
  ...(row.answeredBy && { answeredBy: row.answeredBy }),
})
