/** What sessions and the fleet have to do with each other: whose a sandbox is, whether it has work, who hears of it. */
import type { SandboxId, StatusData } from '@corral/protocol'
import { and, eq, inArray, isNotNull, isNull, max, ne, or } from 'drizzle-orm'
import { execution, session } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import type { Log } from '../log/log.ts'
import type { Fleet } from '../sandboxes/fleet.ts'
import type { SessionLook } from './facts.ts'
import { placesOf } from './places.ts'
import { statusEvent } from './statusEvent.ts'

export function createSandboxOfSession(deps: { database: Database; log: Pick<Log, 'appendIn'>; fleet(): Fleet }) {
  const { database, log, fleet } = deps

  return {
    /** The session's sandbox, made if need be, and asked to start. */
    async requestSandbox(tx: Tx, look: SessionLook): Promise<SandboxId> {
      const id = look.sandbox?.id ?? (await fleet().create(tx, placesOf(look.session).sandboxName))
      if (!look.sandbox) await tx.orm.update(session).set({ sandboxId: id }).where(eq(session.id, look.session.id))
      await fleet().requestStart(tx, id)
      return id
    },

    /** Queued, running, unfinalized, or possibly still running; and the end of the last work. */
    async workIn(id: SandboxId): Promise<{ busy: boolean; idleSince: Date | null }> {
      const ofSandbox = and(eq(session.sandboxId, id), ne(session.state, 'deleted'))
      const open = await database.orm
        .select({ id: execution.id })
        .from(execution)
        .innerJoin(session, eq(session.id, execution.sessionId))
        .where(
          and(
            ofSandbox,
            or(
              inArray(execution.state, ['queued', 'running']),
              eq(execution.finalization, 'pending'),
              and(isNull(execution.stoppedAt), isNotNull(execution.deliveredAt)),
            ),
          ),
        )
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
        const owners = await tx.orm
          .select({ id: session.id })
          .from(session)
          .where(and(eq(session.sandboxId, id), ne(session.state, 'deleted')))
          .orderBy(session.id)
        for (const owner of owners) await log.appendIn(tx, owner.id, [statusEvent(step, key)])
      })
    },
  }
}
