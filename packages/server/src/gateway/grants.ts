/**
 * Who a token is and what it may do. Read from the database at each use, so a revoked token ends at once; what was
 * read last is kept for the time that the database is away, and a token that was never read waits for it.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type BudgetScope,
  type ExecutionId,
  type Network,
  networkSchema,
  type SessionId,
  sessionBranch,
} from '@corral/protocol'
import type { Pool } from 'pg'
import { isConnectionError } from '../database/connect.ts'
import { sessionIdOf } from '../database/sessionUuid.ts'
import { tokenHash, tokenOf } from './token.ts'

export type Grant = {
  sessionId: SessionId
  userId: string
  organizationId: string | null
  /** The identity of the session's repository. */
  repository: string
  /** The one branch that it may push. */
  branch: string
  /** What the caller has said of the repository's host. */
  platform: 'github' | 'gitlab' | null
  /** What of the session's configuration is secret; see `sessionSecret.ts`. */
  sealed: Buffer | null
  /** Of the GitHub App: those that are linked to the session's organization, while the user belongs to it, or to the user. */
  installations: number[]
  /** As they were asked for: the session's model, and those of executions that wait or run. */
  models: string[]
  /** What its programs may reach through the web proxy. */
  network: Network
  /** Tried in this order when a model cannot be had. They may be called, too. */
  fallbackModels: string[]
  /** What is left of each budget that pays for this session; below zero when the last call cost more. */
  budgets: { scope: BudgetScope; remainingUsd: number }[]
  /** Null when none runs, or when the database is away and nobody knows. */
  runningExecution: ExecutionId | null
}

export type GrantAnswer = { kind: 'granted'; grant: Grant } | { kind: 'refused'; status: 401 | 503; sentence: string }

export type Grants = {
  /** Whose token these headers carry. `signal` tells that nobody waits for the answer any more. */
  of(headers: IncomingHttpHeaders, signal: AbortSignal): Promise<GrantAnswer>
}

const unknown: GrantAnswer = {
  kind: 'refused',
  status: 401,
  sentence: 'no valid token of a session was sent; a token ends with the sandbox that it was given to.',
}
const unavailable: GrantAnswer = {
  kind: 'refused',
  status: 503,
  sentence: 'the database is away, and this token has not been seen before; try again in a moment.',
}

/** Grants are a few hundred bytes each. */
const maxKept = 10_000
const retryMs = 250

export function createGrants({ pool, holdMs }: { pool: Pool; holdMs: number }): Grants {
  const kept = new Map<string, Grant>()

  function keep(key: string, grant: Grant): void {
    kept.delete(key)
    kept.set(key, grant)
    const oldest = kept.keys().next().value
    if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest)
  }

  /** Null when the database is away. */
  async function read(hash: Buffer, key: string): Promise<GrantAnswer | null> {
    let grant: Grant | null
    try {
      grant = await readGrant(pool, hash)
    } catch (error) {
      if (isConnectionError(error)) return null
      throw error
    }
    if (!grant) {
      kept.delete(key)
      return unknown
    }
    keep(key, grant)
    return { kind: 'granted', grant }
  }

  return {
    async of(headers, signal) {
      const token = tokenOf(headers)
      if (token === null) return unknown
      const hash = tokenHash(token)
      const key = hash.toString('base64')
      const deadline = performance.now() + holdMs
      for (;;) {
        const answer = await read(hash, key)
        if (answer) return answer
        const last = kept.get(key)
        if (last) return { kind: 'granted', grant: { ...last, runningExecution: null } }
        if (signal.aborted || performance.now() + retryMs > deadline) return unavailable
        await delay(retryMs)
      }
    },
  }
}

type GrantRow = {
  session_id: string
  user_id: string
  organization_id: string | null
  repository: string
  model: string
  fallback_models: string[]
  branch: string | null
  platform: 'github' | 'gitlab' | null
  network: unknown
  sealed: Buffer | null
  installations: number[]
  open: { model: string; running: ExecutionId | null }[]
  budgets: Grant['budgets']
}

/**
 * By `gateway_token_pkey`, then primary keys, `budget_scope_scope_id_pk`, `github_installation_organization` or `_user`, `member_user_organization`
 * and `execution_open`. A boot that is over has no valid tokens.
 */
async function readGrant(pool: Pool, hash: Buffer): Promise<Grant | null> {
  const { rows } = await pool.query<GrantRow>({
    name: 'gateway_grant',
    text: `
      select s.id as session_id, s.user_id, s.organization_id, s.repository,
        s.configuration ->> 'model' as model,
        coalesce(s.configuration -> 'fallbackModels', '[]') as fallback_models,
        coalesce(s.configuration ->> 'upstreamBranch', s.configuration ->> 'sessionBranch') as branch,
        s.configuration ->> 'platform' as platform, s.configuration -> 'network' as network, c.sealed,
        coalesce((
          select jsonb_agg(i.installation_id) from github_installation i
          where (s.organization_id is null and i.user_id = s.user_id)
            or (i.organization_id = s.organization_id and exists (
              select 1 from member m where m.user_id = s.user_id and m.organization_id = s.organization_id))
        ), '[]') as installations,
        coalesce((
          select jsonb_agg(jsonb_build_object(
            'model', e.request ->> 'model', 'running', case when e.state = 'running' then e.id end))
          from execution e where e.session_id = s.id and e.state in ('queued', 'running')), '[]') as open,
        coalesce((
          select jsonb_agg(jsonb_build_object('scope', g.scope, 'remainingUsd', g.limit_usd - g.spent_usd))
          from budget g where (g.scope, g.scope_id) in
            (('session', 'agent_' || s.id), ('user', s.user_id), ('organization', s.organization_id))), '[]') as budgets
      from gateway_token t
        join session s on s.id = t.session_id and s.state <> 'deleted'
        left join session_secret c on c.session_id = s.id
        join sandbox b on b.id = t.sandbox_id and b.boot_id = t.boot_id
      where t.hash = $1`,
    values: [hash],
  })
  const [row] = rows
  if (!row) return null
  const sessionId = sessionIdOf(row.session_id)
  return {
    sessionId,
    userId: row.user_id,
    organizationId: row.organization_id,
    repository: row.repository,
    branch: row.branch ?? sessionBranch(sessionId),
    platform: row.platform,
    network: networkSchema.parse(row.network ?? {}),
    sealed: row.sealed,
    installations: row.installations,
    models: [...new Set([row.model, ...row.open.map(({ model }) => model), ...row.fallback_models])],
    fallbackModels: row.fallback_models,
    budgets: row.budgets,
    runningExecution: row.open.find(({ running }) => running !== null)?.running ?? null,
  }
}
