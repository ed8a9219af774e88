/** What sessions and the fleet have to do with each other: whose a sandbox is, whether it has work, who hears of it. */
import type { SandboxId, StatusData } from '@corral/protocol'
import { and, eq, exists, max, ne, or, sql } from 'drizzle-orm'
import { execution, session } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Log } from '../../log/log.ts'
import type { Fleet } from '../../sandboxes/fleet.ts'
import { openWork } from '../executions/openWork.ts'
import { statusEvent } from '../executions/statusEvent.ts'
import { placesOf } from './places.ts'

export function createSandboxOfSession(deps: { database: Database; log: Pick<Log, 'appendIn'>; fleet(): Fleet }) {
  const { database, log, fleet } = deps

  return {
    /** Gives the session its sandbox: one of its own, or the one that its owner's sessions share. */
    async takeSandbox(tx: Tx, row: typeof session.$inferSelect): Promise<SandboxId> {
      const { sandboxName, sharedBy } = placesOf(row)
      return fleet().obtain(tx, { name: sandboxName, sharedBy })
    },

    /** Queued, running, unfinalized, or possibly still running; and the end of the last work. */
    async workIn(id: SandboxId): Promise<{ busy: boolean; idleSince: Date | null }> {
      const ofSandbox = and(eq(session.sandboxId, id), ne(session.state, 'deleted'))
      const open = await database.orm
        .select({ id: execution.id })
        .from(execution)
        .innerJoin(session, eq(session.id, execution.sessionId))
        .where(and(ofSandbox, openWork))
        .limit(1)
      const [last] = await database.orm
        .select({ at: max(execution.endedAt) })
        .from(execution)
        .innerJoin(session, eq(session.id, execution.sessionId))
        .where(ofSandbox)
      return { busy: open.length > 0, idleSince: last?.at ?? null }
    },

    /** A step of the sandbox's start, for the log of each session that waits for it. */
    async report(id: SandboxId, step: StatusData, key: string): Promise<void> {
      await database.transaction(async (tx) => {
        const work = tx.orm
          .select({ one: sql`1` })
          .from(execution)
          .where(and(eq(execution.sessionId, session.id), openWork))
        const waiting = await tx.orm
          .select({ id: session.id })
          .from(session)
          .where(
            and(
              eq(session.sandboxId, id),
              ne(session.state, 'deleted'),
              or(eq(session.state, 'prepared'), exists(work)),
            ),
          )
          .orderBy(session.id)
        for (const { id: waits } of waiting) await log.appendIn(tx, waits, [statusEvent(step, key)])
      })
    },
  }
}
