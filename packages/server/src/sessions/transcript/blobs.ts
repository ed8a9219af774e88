/**
 * What is too large for a row of the transcript: stored in pieces, named by its content, and read piece by piece, so
 * that nobody holds more of it than he wants. It goes with its session, or when what referred to it is replaced.
 */
import { blobReferenceSchema, type SessionId } from '@corral/protocol'
import { and, eq } from 'drizzle-orm'
import { sessionUuid } from '../../database/columns.ts'
import type { Orm, Tx } from '../../database/transaction.ts'
import { blob } from '../../database/transcriptTables.ts'

const pieceBytes = 256 * 1024
/** No reference of ours is longer. */
const maxReferenceCharacters = 2_000

type Client = Pick<Tx['client'], 'query'>
type Reader = Pick<Orm, 'select'>

export async function storeBlob(client: Client, session: SessionId, id: string, content: Buffer): Promise<void> {
  const pieces = Array.from({ length: Math.ceil(content.length / pieceBytes) }, (_, piece) =>
    content.subarray(piece * pieceBytes, (piece + 1) * pieceBytes),
  )
  await client.query({
    name: 'store_blob',
    text: `insert into blob (session_id, id, piece, data)
           select $1, $2, place - 1, data from unnest($3::bytea[]) with ordinality as p (data, place)
           on conflict do nothing`,
    values: [sessionUuid(session), id, pieces],
  })
}

export async function removeBlobs(client: Client, session: SessionId, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await client.query('delete from blob where session_id = $1 and id = any ($2)', [sessionUuid(session), ids])
}

/**
 * The content of a row: its text, or the pieces of the blob that it refers to. What only looks like a reference, since
 * an agent has written it so, stays what it is. By `blob_session_id_id_piece_pk`.
 */
export async function* wholeContent(
  orm: Reader,
  session: SessionId,
  row: string,
): AsyncGenerator<string | Buffer, void, void> {
  const id = referredTo(row)
  for (let piece = 0; id !== null; piece++) {
    const [found] = await orm
      .select({ data: blob.data })
      .from(blob)
      .where(and(eq(blob.sessionId, session), eq(blob.id, id), eq(blob.piece, piece)))
    if (!found) {
      if (piece > 0) return
      break
    }
    yield found.data
  }
  yield row
}

/** The same as one text. */
export async function wholeText(orm: Reader, session: SessionId, row: string): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of wholeContent(orm, session, row)) {
    if (typeof piece === 'string') return piece
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** SQL: how many bytes the content of this row has, wherever it is. Costs no decompression of anything large. */
export const contentBytes = (column: string): string => `coalesce(
  case when octet_length(${column}) < ${maxReferenceCharacters}
    then substring(${column} from '"blob":{"id":"[0-9a-f]{64}","bytes":([0-9]{1,9})}')::bigint end,
  octet_length(${column}))`

const referredTo = (row: string) => reference(row)?.id ?? null

function reference(row: string) {
  if (row.length > maxReferenceCharacters || !row.includes('"blob":{')) return null
  return blobReferenceSchema.safeParse(JSON.parse(row)).data?.blob ?? null
}
