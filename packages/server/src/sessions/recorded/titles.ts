/**
 * The title of a session. One that was made up takes the place only of none or of an agent's default one; one that a
 * person chose wins over all. Neither moves the session in lists.
 */
import type { SessionId } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { session } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import { lockOwned } from '../access.ts'
import { infoOf } from '../transcript/export.ts'

export type Titles = {
  /** Under the lock of the session's head, so of two at once the second sees what the first has done. */
  set(
    caller: Caller,
    id: SessionId,
    title: { title: string; generated: boolean },
  ): Promise<{ title: string; applied: boolean }>
}

const defaultTitle = /^(New|Child) session - /

export function createTitles(deps: { database: Database; log: Pick<Log, 'appendIn'> }): Titles {
  return {
    set: (caller, id, { title: given, generated }) =>
      deps.database.transaction(async (tx) => {
        const title = given.replaceAll('\u0000', '\ufffd')
        const row = await lockOwned(tx, caller, id)
        const replaceable = row.titleChosenAt === null && (row.title === '' || defaultTitle.test(row.title))
        if (generated && !replaceable) return { title: row.title, applied: row.title === title }
        await changeTitle(tx, deps.log, row, { title, generated })
        return { title, applied: true }
      }),
  }
}

/** The caller holds the lock of the session's head. */
export async function changeTitle(
  tx: Tx,
  log: Pick<Log, 'appendIn'>,
  row: typeof session.$inferSelect,
  { title, generated }: { title: string; generated: boolean },
): Promise<void> {
  const [changed] = await tx.orm
    .update(session)
    .set({
      title,
      ...(!generated && { titleChosenAt: sql`now()` }),
    })
    .where(eq(session.id, row.id))
    .returning()
  if (!changed || title === row.title) return
  // Viewers hear of it like of a title that the agent has given; `by` tells it from what an agent says of its own.
  const properties = { sessionID: row.agentSessionId, info: await infoOf(tx, changed), by: 'user' }
  await log.appendIn(tx, row.id, [{ type: 'kilocode', data: JSON.stringify({ type: 'session.updated', properties }) }])
}
