/**
 * What the database of an installation holds, read beside the server with a connection of its own for each question, so
 * that a test sees what is on disk whatever was killed.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import pg from 'pg'

export type EventRow = {
  seq: number
  type: string
  executionId: ExecutionId | null
  data: string
  epoch: number | null
  n: number | null
  ends: boolean
  /** Of a part whose deltas were compacted away: `[[step of number, length], …]`. */
  deltas: string | null
}

export type ExecutionRow = {
  id: ExecutionId
  state: string
  reason: string | null
  attempt: number
  /** The link on which it was last sent to the supervisor. */
  sentLink: string | null
  stopped: boolean
  finalization: string
}

export type Records = {
  events(session: SessionId): Promise<EventRow[]>
  /** In FIFO order. */
  executions(session: SessionId): Promise<ExecutionRow[]>
  /** The process id, on this host, of the sandbox's process 1. */
  sandboxInit(session: SessionId): Promise<number>
  /** Of all sandboxes that run. */
  sandboxInits(): Promise<number[]>
  /** When the answer to an ask was last sent to the supervisor, in milliseconds. */
  answerSentAt(session: SessionId, ask: string): Promise<number | null>
  asks(session: SessionId): Promise<{ id: string; state: string }[]>
  callbacks(session: SessionId): Promise<{ executionId: ExecutionId; state: string }[]>
  modelCalls(executionId: ExecutionId): Promise<number>
  /** Tables that have rows of this session, beside its own row, and how many. */
  remains(session: SessionId): Promise<Record<string, number>>
  /** Until it is disposed of, whoever is about to change or remove these rows of the session waits. */
  hold(table: 'blob', session: SessionId): Promise<AsyncDisposable>
  /** Whether somebody waits for rows that are held. */
  someoneWaits(): Promise<boolean>
  /** Moves all that a timer could count from into the past, as if the server had been away for so long. */
  age(session: SessionId, minutes: number): Promise<void>
}

const uuidOf = (session: SessionId) => session.slice('agent_'.length)

export function recordsOf(home: string): Records {
  async function connect(): Promise<pg.Client> {
    // The gateway is given the address of the database in its configuration.
    const { databaseUrl } = JSON.parse(await readFile(join(home, 'gateway', 'config.json'), 'utf8'))
    const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 30_000 })
    // PostgreSQL may die between two words of ours; the question that waits for its answer fails by itself.
    client.on('error', () => {})
    await client.connect()
    return client
  }

  async function read<Row>(text: string, values: string[] = []): Promise<Row[]> {
    const client = await connect()
    try {
      return (await client.query(text, values)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  return {
    events: (session) =>
      read(
        `select seq::int, type, execution_id as "executionId", data, epoch, n::int, ends, deltas
         from event where session_id = $1 order by seq`,
        [uuidOf(session)],
      ),
    executions: (session) =>
      read(
        `select id, state, reason, attempt, sent_link as "sentLink", stopped_at is not null as stopped, finalization
         from execution where session_id = $1 order by queued_seq`,
        [uuidOf(session)],
      ),
    async sandboxInit(session) {
      const [row] = await read<{ pid: number }>(
        `select (ref ->> 'pid')::int as pid from sandbox b join session s on s.sandbox_id = b.id
         where s.id = $1 and ref is not null`,
        [uuidOf(session)],
      )
      if (!row) throw new Error(`no sandbox of ${session} runs`)
      return row.pid
    },
    async sandboxInits() {
      const rows = await read<{ pid: number }>(
        `select (ref ->> 'pid')::int as pid from sandbox where ref is not null`,
        [],
      )
      return rows.map(({ pid }) => pid)
    },
    async answerSentAt(session, ask) {
      const [row] = await read<{ sentAt: Date | null }>(
        `select sent_at as "sentAt" from ask where session_id = $1 and id = $2`,
        [uuidOf(session), ask],
      )
      return row?.sentAt?.getTime() ?? null
    },
    asks: (session) => read('select id, state from ask where session_id = $1 order by asked_at', [uuidOf(session)]),
    callbacks: (session) =>
      read('select execution_id as "executionId", state from callback where session_id = $1 order by number', [
        uuidOf(session),
      ]),
    async modelCalls(executionId) {
      const rows = await read('select 1 from model_call where execution_id = $1', [executionId])
      return rows.length
    },
    async remains(session) {
      const counts = ofSession.map(
        (table) => `select '${table}' as table, count(*)::int from ${table} where session_id = $1`,
      )
      const rows = await read<{ table: string; count: number }>(counts.join(' union all '), [uuidOf(session)])
      return Object.fromEntries(rows.filter(({ count }) => count > 0).map(({ table, count }) => [table, count]))
    },
    async hold(table, session) {
      const client = await connect()
      await client.query('begin')
      await client.query(`select 1 from ${table} where session_id = $1 for update`, [uuidOf(session)])
      return { [Symbol.asyncDispose]: () => client.end() }
    },
    async someoneWaits() {
      const rows = await read(`select 1 from pg_stat_activity where wait_event_type = 'Lock'`)
      return rows.length > 0
    },
    async age(session, minutes) {
      for (const [table, key, columns] of clocks) {
        const moved = columns.map((column) => `${column} = ${column} - $2 * interval '1 minute'`)
        await read(`update ${table} set ${moved.join(', ')} where ${key}`, [uuidOf(session), String(minutes)])
      }
    },
  }
}

const ofSession = [
  ...['event', 'message', 'part', 'blob', 'pushed_item', 'session_info', 'session_secret'],
  ...['execution', 'ask', 'workspace', 'network_visit', 'checkpoint'],
]

const clocks = [
  ['execution', 'session_id = $1', ['created_at', 'delivered_at', 'started_at', 'ended_at', 'stopped_at']],
  ['session_head', 'session_id = $1', ['last_progress_at']],
  ['workspace', 'session_id = $1', ['preparing_since', 'agent_until']],
  ['session', 'id = $1', ['updated_at', 'wake_at', 'claim_until']],
  [
    'sandbox',
    'id = (select sandbox_id from session where id = $1)',
    ['starting_since', 'unreachable_since', 'wake_at', 'claim_until'],
  ],
] as const
