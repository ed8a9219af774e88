/**
 * The rows of model calls: written when a call begins and again when it ends. While the database is away they go to a
 * file and from there into the database later; writing a row twice is the same as once, so nothing is counted double.
 */
import { randomUUID } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import { isConnectionError } from '../database/connect.ts'
import { sessionUuid } from '../database/sessionUuid.ts'
import { hasCode } from '../host/systemError.ts'
import type { Usage } from './usage.ts'

export type ModelCall = Usage & {
  id: string
  sessionId: SessionId
  executionId: ExecutionId | null
  userId: string
  organizationId: string | null
  upstream: string
  model: string
  startedAt: Date
  endedAt: Date | null
  /** US dollars; null while it runs, and for a model without a price. */
  costUsd: number | null
  /** HTTP status of the upstream; null while it runs or when it could not be reached. */
  status: number | null
}

export type ModelCalls = AsyncDisposable & {
  /** Returns when the row is on disk, in the database or in the file. Never throws: a call does not fail for it. */
  write(call: ModelCall): Promise<void>
}

const replayEveryMs = 1_000
const spoolName = 'usage.ndjson'
/** A spool that was taken aside to be read. */
const asideName = /^usage\.[0-9a-f-]+\.replay$/

/** The values of `upsert`, as they stand in the file. */
const spooledRow = z.tuple([
  z.string(),
  z.string(),
  z.string().nullable(),
  z.string(),
  z.string().nullable(),
  z.string(),
  z.string(),
  z.string(),
  z.string().nullable(),
  z.number().nullable(),
  z.number().nullable(),
  z.number().nullable(),
  z.number().nullable(),
  // A spool of an earlier version has none.
  z.number().nullable().default(null),
])
type SpooledRow = z.infer<typeof spooledRow>

export async function createModelCalls(deps: {
  pool: Pool
  folder: string
  log: Pick<Logger, 'warn' | 'error'>
}): Promise<ModelCalls> {
  const { pool, folder, log } = deps
  await mkdir(folder, { recursive: true, mode: 0o700 })

  /** False when the database is away. What it refuses for another reason is logged and given up. */
  async function upsert(row: SpooledRow): Promise<boolean> {
    try {
      // By model_call_pkey. The beginning may come after the end when one of them was spooled. What a call cost is taken
      // from its budgets with its first end, and once; their rows are locked in one order, so no two calls wait for
      // each other.
      await pool.query({
        name: 'gateway_model_call',
        text: `
          with written as (
            insert into model_call (id, session_id, execution_id, user_id, organization_id, upstream, model,
              started_at, ended_at, status, prompt_tokens, completion_tokens, cached_tokens, cost_usd)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
            on conflict (id) do update set ended_at = excluded.ended_at, status = excluded.status,
              prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
              cached_tokens = excluded.cached_tokens, cost_usd = excluded.cost_usd
            where excluded.ended_at is not null and model_call.ended_at is null
            returning session_id, user_id, organization_id, cost_usd
          ), paid as (
            select g.scope, g.scope_id, w.cost_usd from written w join budget g
              on (g.scope, g.scope_id) in
                (('session', 'agent_' || w.session_id), ('user', w.user_id), ('organization', w.organization_id))
            where w.cost_usd > 0 order by g.scope, g.scope_id for update of g
          )
          update budget set spent_usd = spent_usd + paid.cost_usd
          from paid where budget.scope = paid.scope and budget.scope_id = paid.scope_id`,
        values: row,
      })
      return true
    } catch (error) {
      if (isConnectionError(error)) return false
      log.error({ error: String(error), modelCall: row[0] }, 'the database refused the row of a model call')
      return true
    }
  }

  async function replayFile(path: string): Promise<boolean> {
    for (const line of (await readFile(path, 'utf8')).split('\n')) {
      const row = spooledRow.safeParse(parseLine(line))
      // The last line is torn when its writer was killed.
      if (!row.success) {
        if (line !== '') log.warn({ bytes: line.length }, 'a spooled model call could not be read')
        continue
      }
      if (!(await upsert(row.data))) return false
    }
    await unlink(path).catch(unlessGone)
    return true
  }

  /**
   * A spool is renamed one round before it is read, so an append that was under way has ended, whichever process made
   * it: the gateway that drains shares this folder with the one that took over.
   */
  async function replay(): Promise<void> {
    for (const name of await readdir(folder)) {
      if (asideName.test(name) && !(await replayFile(join(folder, name)))) return
    }
    await rename(join(folder, spoolName), join(folder, `usage.${randomUUID()}.replay`)).catch(unlessGone)
  }

  let replaying: Promise<void> | null = null
  const timer = setInterval(() => {
    replaying ??= replay()
      .catch((error) => log.error({ error: String(error) }, 'spooled model calls could not be written'))
      .finally(() => {
        replaying = null
      })
  }, replayEveryMs)

  return {
    async write(call) {
      const row = rowOf(call)
      if (await upsert(row)) return
      try {
        await appendFile(join(folder, spoolName), `${JSON.stringify(row)}\n`, { mode: 0o600 })
      } catch (error) {
        log.error({ error: String(error), modelCall: call.id }, 'a model call could not be spooled and is not counted')
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await replaying
    },
  }
}

function rowOf(call: ModelCall): SpooledRow {
  return [
    call.id,
    sessionUuid(call.sessionId),
    call.executionId,
    call.userId,
    call.organizationId,
    call.upstream,
    call.model,
    call.startedAt.toISOString(),
    call.endedAt?.toISOString() ?? null,
    call.status,
    call.promptTokens,
    call.completionTokens,
    call.cachedTokens,
    call.costUsd,
  ]
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function unlessGone(error: unknown): void {
  if (!hasCode(error, 'ENOENT')) throw error
}
