/**
 * Reading a long log as a viewer does: 200 MB in pages. Beside it the bare select of the same text in chunks. The
 * second row is what it takes of memory at most, whatever the length of the log.
 */
import type { SessionId } from '@corral/protocol'
import type { Pool } from 'pg'
import { addSession, openLog } from '../packages/server/src/testing/log.ts'
import { type Benchmark, byTurns, perSecond } from './benchmark.ts'

const events = 200_000
const eventBytes = 1_000
const megabytes = (events * eventBytes) / 1e6

export const replay: Benchmark = {
  name: 'replay',
  async run({ openDatabase }) {
    const { pool } = await openDatabase()
    const { log, database } = await openLog(pool)
    const session = await addSession(database)
    await fill(pool, session)
    const before = process.memoryUsage.rss()
    const grown: number[] = []
    const figures = await byTurns({
      pages: async () => {
        let most = 0
        const rate = await perSecond(megabytes, async () => {
          let seen = 0
          for await (const frames of log.replay(session, { after: 0, upTo: events })) {
            seen += frames.length
            most = Math.max(most, process.memoryUsage.rss())
          }
          if (seen !== events) throw new Error(`${seen} of ${events} events were replayed`)
        })
        grown.push((most - before) / 1e6)
        return rate
      },
      chunks: () => perSecond(megabytes, () => selectAll(pool, session)),
    })
    await log.close()
    return [
      {
        what: `replay of ${megabytes} MB`,
        unit: 'MB/s',
        figures: figures.pages,
        reference: { what: 'bare select in chunks', figures: figures.chunks },
        target: { of: 'ratio', atLeast: 0.5 },
      },
      { what: `memory that a replay of ${megabytes} MB takes`, unit: 'MB', figures: grown.slice(1) },
    ]
  },
}

/** Text that does not compress away. */
async function fill(pool: Pool, session: SessionId): Promise<void> {
  await pool.query(
    `insert into event (session_id, seq, type, data)
     select $1, seq, 'output', json_build_object('content', (
       select string_agg(md5(seq::text || i::text), '') from generate_series(1, 30) i), 'source', 'stdout')::text
     from generate_series(1, $2::integer) seq`,
    [session.slice('agent_'.length), events],
  )
  await pool.query('update session_head set last_seq = $2 where session_id = $1', [
    session.slice('agent_'.length),
    events,
  ])
  await pool.query('vacuum analyze event')
}

async function selectAll(pool: Pool, session: SessionId): Promise<void> {
  for (let after = 0; after < events; after += 1_000) {
    await pool.query({
      name: 'bare_chunk',
      text: 'select seq, data from event where session_id = $1 and seq > $2 order by seq limit 1000',
      values: [session.slice('agent_'.length), after],
    })
  }
}
