/**
 * How a supervisor fetches an attachment, on the door of its link. What is not that sandbox's looks exactly like what is
 * not there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { contentHashSchema, type SessionId, sessionIdSchema } from '@corral/protocol'
import { sessionUuid } from '../../database/sessionUuid.ts'
import type { Database } from '../../database/transaction.ts'

type Door<Life> = (life: Life, request: IncomingMessage, response: ServerResponse) => Promise<void>

/** `worksFor`: whether this sandbox works for the session now. `otherwise`: who answers other paths of the door. */
export function createAttachmentDoor<Life>(deps: {
  database: Database
  worksFor(life: Life, id: SessionId): Promise<boolean>
  otherwise: Door<Life>
}): Door<Life> {
  return async (life, request, response) => {
    const [, named, hash] = /^\/attachments\/([^/]+)\/([^/]+)$/.exec(request.url ?? '') ?? []
    if (named === undefined) return deps.otherwise(life, request, response)
    const id = sessionIdSchema.safeParse(named)
    const sha256 = contentHashSchema.safeParse(hash)
    const readable = request.method === 'GET' && id.success && sha256.success && (await deps.worksFor(life, id.data))
    const data = readable ? await read(deps.database, id.data, sha256.data) : null
    if (!data) response.writeHead(404).end()
    else
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': data.length }).end(data)
  }
}

/** By `attachment_session_id_sha256_pk`. At most 5 MiB. */
async function read({ pool }: Database, id: SessionId, sha256: string): Promise<Buffer | null> {
  const { rows } = await pool.query<{ data: Buffer }>(
    'select data from attachment where session_id = $1 and sha256 = $2',
    [sessionUuid(id), sha256],
  )
  return rows[0]?.data ?? null
}
