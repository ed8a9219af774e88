/**
 * Reads the log in pages of bounded size. A page holds whole events, at least one if there is any, and at most 1 MiB
 * otherwise; no query looks at more than a fixed number of entries, so that one reader never holds a connection long.
 */
import { type ExecutionId, limits, type SessionId, type StreamEventType } from '@corral/protocol'
import type { Pool } from 'pg'
import { sessionUuid } from '../database/columns.ts'
import { envelopeBytes, type Frame, frameOf } from './envelope.ts'
import type { Filters } from './filters.ts'

export type Page = {
  frames: Frame[]
  /** Everything wanted up to this number has been read. */
  through: number
}

/** Numbers that one query covers; a filter that wants little of them costs no more than that. */
const windowNumbers = 10_000
/** Rows that are measured for one page. With more, pages of large events would measure many that they do not take. */
const pageRows = 1_000

/**
 * A range scan of `event_session_id_seq_pk` in its order, without a sort. The running total is made from the stored
 * lengths, which costs no decompression; only rows of the page have their `data` read.
 */
export const pageSql = `
  select seq, type, execution_id, data, at, next
  from (
    select seq, type, execution_id, data, at,
           lead(seq) over log as next,
           sum(octet_length(data) + ${envelopeBytes}) over log as total,
           octet_length(data) + ${envelopeBytes} as own
    from event
    where session_id = $1 and seq > $2 and seq <= $3
      and ($4::text[] is null or type = any ($4))
      and ($5::text[] is null or execution_id = any ($5))
      and ($6::timestamptz is null or at >= $6)
      and ($7::timestamptz is null or at <= $7)
    window log as (order by seq rows unbounded preceding)
    order by seq
    limit $8
  ) page
  where total <= $9 or total = own`

type Row = {
  seq: number
  type: StreamEventType
  execution_id: ExecutionId | null
  data: string
  at: Date
  next: number | null
}

export async function readPage(
  pool: Pool,
  session: SessionId,
  range: { after: number; upTo: number; filters?: Filters | undefined },
): Promise<Page> {
  const { after, filters = {} } = range
  const upTo = Math.min(range.upTo, after + windowNumbers)
  const { rows } = await pool.query<Row>({
    name: 'log_page',
    text: pageSql,
    values: [
      sessionUuid(session),
      after,
      upTo,
      filters.types ?? null,
      filters.executionIds ?? null,
      filters.from ?? null,
      filters.to ?? null,
      pageRows,
      limits.replayPageBytes,
    ],
  })
  const last = rows.at(-1)
  return {
    frames: rows.map(({ execution_id, ...row }) =>
      frameOf(session, { ...row, executionId: execution_id ?? undefined }),
    ),
    // Another row beyond the last one: the page was cut before it.
    through: last && last.next !== null ? last.seq : upTo,
  }
}
