/**
 * What a supervisor may do after its hello, decided under the locks of its sessions and its sandbox.
 * Invariants: an older incarnation or another boot is refused; a session's epoch is the server's to number, and a
 * supervisor whose spool is not the one we know gets a new one; what is not assigned to it is released.
 */
import { type Hello, linkProtocol, type SandboxId, type SessionId, type Welcome } from '@corral/protocol'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { execution, sandbox, session, sessionHead, workspace } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { wakeSandbox, wakeSessions } from '../database/wake.ts'

export type HelloResult = { welcome: Welcome; sessions: SessionId[] } | { refused: 'fenced' | 'protocol' }

export async function answerHello(
  database: Database,
  caller: { sandboxId: SandboxId; bootId: string; linkId: string },
  hello: Hello,
): Promise<HelloResult> {
  if (hello.protocol !== linkProtocol) return { refused: 'protocol' }
  if (hello.bootId !== caller.bootId) return { refused: 'fenced' }
  return database.transaction(async (tx) => {
    const assigned = await lockAssigned(tx, caller.sandboxId)
    const [row] = await tx.orm.select().from(sandbox).where(eq(sandbox.id, caller.sandboxId)).for('update')
    if (!row || row.bootId !== caller.bootId || hello.incarnation < row.incarnation) return { refused: 'fenced' }
    if (row.state === 'stopped' || row.state === 'stopping') return { refused: 'fenced' }
    await tx.orm
      .update(sandbox)
      .set({
        state: 'ready',
        incarnation: hello.incarnation,
        attempt: 0,
        unreachableSince: null,
        reason: null,
        message: null,
      })
      .where(eq(sandbox.id, row.id))

    const running = await runningOf(
      tx,
      assigned.map((head) => head.sessionId),
    )
    const sessions: Welcome['sessions'] = []
    for (const head of assigned) {
      const spool = hello.sessions
        .find((candidate) => candidate.id === head.sessionId)
        ?.spools.find((candidate) => candidate.epoch === head.epoch)
      const known = spool !== undefined && spool.lastN >= head.lastN && spool.firstUnackedN <= head.lastN + 1
      // Acked beyond what we have, or an epoch that we never gave: the database has gone back. Cursors made from the
      // history that is lost must not be taken for ones of this history.
      const claims = hello.sessions.find((candidate) => candidate.id === head.sessionId)?.spools ?? []
      const wentBack = claims.some(
        ({ epoch, firstUnackedN }) => epoch > head.epoch || (epoch === head.epoch && firstUnackedN > head.lastN + 1),
      )
      if (wentBack) {
        await tx.orm.update(session).set({ logId: sql`gen_random_uuid()` }).where(eq(session.id, head.sessionId))
      }
      const next = known
        ? head
        : { ...head, epoch: Math.max(head.epoch, ...claims.map(({ epoch }) => epoch)) + 1, lastN: 0 }
      if (!known) {
        await tx.orm
          .update(sessionHead)
          .set({ epoch: next.epoch, lastN: 0 })
          .where(eq(sessionHead.sessionId, head.sessionId))
      }
      sessions.push({
        id: head.sessionId,
        epoch: next.epoch,
        ackedN: next.lastN,
        mayRun: running.get(head.sessionId) ?? null,
      })
    }
    await noteAgents(tx, hello, assigned)
    const mine = new Set(assigned.map((head) => head.sessionId))
    for (const { id } of hello.sessions) if (!mine.has(id)) sessions.push({ id, release: true })

    await wakeSandbox(tx, row.id)
    await wakeSessions(tx, [...mine])
    return { welcome: { linkId: caller.linkId, sessions }, sessions: [...mine] }
  })
}

/** An agent that went with its supervisor or its sandbox is not there for the next message. */
async function noteAgents(tx: Tx, hello: Hello, assigned: { sessionId: SessionId }[]): Promise<void> {
  const without = assigned
    .map(({ sessionId }) => sessionId)
    .filter((id) => hello.sessions.find((told) => told.id === id)?.agentRuns === false)
  if (without.length === 0) return
  await tx.orm.update(workspace).set({ agentUntil: null }).where(inArray(workspace.sessionId, without))
}

async function lockAssigned(tx: Tx, sandboxId: SandboxId) {
  const sessions = await tx.orm
    .select({ id: session.id })
    .from(session)
    .where(and(eq(session.sandboxId, sandboxId), inArray(session.state, ['prepared', 'open'])))
    .orderBy(session.id)
  if (sessions.length === 0) return []
  return tx.orm
    .select()
    .from(sessionHead)
    .where(
      inArray(
        sessionHead.sessionId,
        sessions.map(({ id }) => id),
      ),
    )
    .orderBy(sessionHead.sessionId)
    .for('no key update')
}

async function runningOf(tx: Tx, sessions: SessionId[]) {
  if (sessions.length === 0) return new Map<SessionId, (typeof execution.$inferSelect)['id']>()
  const rows = await tx.orm
    .select({ sessionId: execution.sessionId, id: execution.id })
    .from(execution)
    .where(and(inArray(execution.sessionId, sessions), eq(execution.state, 'running')))
  return new Map(rows.map((row) => [row.sessionId, row.id]))
}
