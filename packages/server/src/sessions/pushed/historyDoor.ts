/**
 * How a supervisor fetches the conversation that a session has from elsewhere: the export of what was pushed, on the door
 * of its link. What is not that sandbox's looks exactly like what is not there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type SessionId, sessionIdSchema } from '@corral/protocol'
import { and, eq, ne, sql } from 'drizzle-orm'
import { session } from '../../database/schema.ts'
import type { Database, Orm } from '../../database/transaction.ts'
import { openExport } from '../transcript/export.ts'
import { createSnapshots } from '../transcript/snapshot.ts'

type HistoryDoor<Life> = (life: Life, request: IncomingMessage, response: ServerResponse) => Promise<void>

/** `worksFor`: whether this sandbox works for the session now. `otherwise`: who answers other paths of the door. */
export function createHistoryDoor<Life>(deps: {
  database: Database
  worksFor(life: Life, id: SessionId): Promise<boolean>
  otherwise: HistoryDoor<Life>
}): HistoryDoor<Life> {
  const { database } = deps
  const snapshots = createSnapshots(database)

  return async (life, request, response) => {
    const named = /^\/history\/([^/]+)$/.exec(request.url ?? '')?.[1]
    if (named === undefined) return deps.otherwise(life, request, response)
    const id = sessionIdSchema.safeParse(named)
    const owner = id.success && (await deps.worksFor(life, id.data)) ? await find(database.orm, id.data) : null
    if (request.method !== 'GET' || !owner) {
      response.writeHead(404).end()
      return
    }
    const { pieces } = await openExport(snapshots, owner, { fromElsewhere: true })
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
    await pipeline(Readable.from(pieces), response)
  }
}

async function find(orm: Orm, id: SessionId): Promise<typeof session.$inferSelect | null> {
  const [row] = await orm
    .select()
    .from(session)
    .where(and(eq(session.id, id), ne(session.state, 'deleted')))
  return row ?? null
}

/** By `pushed_item_session_id_key_pk`. */
export async function hasHistory(orm: Orm, id: SessionId): Promise<boolean> {
  const { rows } = await orm.execute(
    sql`select 1 from pushed_item where session_id = ${id.slice('agent_'.length)} limit 1`,
  )
  return rows.length > 0
}
