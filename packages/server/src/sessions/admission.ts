/**
 * Admission: what a caller asks for becomes rows and a `queued` event in one transaction, and nothing else happens
 * in the request. Invariants: a repeated `clientId` with the same content gives the same answer and with other
 * content 409; a session is initiated once; ten executions wait at most; what is refused has changed nothing.
 */
import { createHash } from 'node:crypto'
import {
  type Ack,
  CorralError,
  type ExecutionId,
  invalidInput,
  limits,
  newAgentSessionId,
  newExecutionId,
  newMessageId,
  newPartId,
  newSessionId,
  type PreparedPair,
  type PrepareSessionInput,
  type SendMessageInput,
  type SessionId,
} from '@corral/protocol'
import { and, count, eq, sql } from 'drizzle-orm'
import {
  type ExecutionRequest,
  execution,
  type SessionConfiguration,
  sandbox,
  session,
  sessionHead,
  workspace,
} from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { wakeSessions } from '../database/wake.ts'
import type { Caller, Membership } from '../identity/caller.ts'
import type { Log } from '../log/log.ts'
import { lockOwned } from './access.ts'
import { firstLine } from './commands.ts'
import { type RepositoryPolicy, repositoryIdentity } from './repository.ts'

type SessionRow = typeof session.$inferSelect
type ExecutionRow = typeof execution.$inferSelect
type SendInput = Omit<SendMessageInput, 'cloudAgentSessionId' | 'sessionId'>

export function createAdmission(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  membership: Membership
  repositories: RepositoryPolicy
  /** The installed agent of that kind (the operator's first without one), or a sentence why there is none. */
  chooseAgent(kind: string | undefined): Promise<{ kind: string; version: string } | { refused: string }>
  /** A sentence when no upstream takes this model. */
  checkModel(model: string): Promise<string | null>
  /** The reconciler has something to do. */
  wake(): void
}) {
  const { database, log } = deps

  async function prepare(caller: Caller, input: PrepareSessionInput, initiateToo: boolean) {
    if (input.kilocodeOrganizationId && !(await deps.membership(caller.userId, input.kilocodeOrganizationId))) {
      throw new CorralError('organization_not_found')
    }
    await requireModel('model', input.model)
    const repository = await repositoryIdentity(input, deps.repositories)
    const agent = await deps.chooseAgent(input.agentKind)
    if ('refused' in agent) throw invalidInput('agentKind', agent.refused)
    const clientHash = input.clientId === undefined ? null : contentHash({ ...input, clientId: undefined })

    return database.transaction(async (tx) => {
      const id = newSessionId()
      const [made] = await tx.orm
        .insert(session)
        .values({
          id,
          state: initiateToo ? 'open' : 'prepared',
          userId: caller.userId,
          organizationId: input.kilocodeOrganizationId ?? null,
          botId: caller.botId,
          agentSessionId: newAgentSessionId(),
          agentKind: agent.kind,
          agentVersion: agent.version,
          repository,
          configuration: configurationOf(input),
          title: firstLine(input.prompt),
          clientId: input.clientId ?? null,
          clientHash,
          preparedAt: sql`now()`,
          initiatedAt: initiateToo ? sql`now()` : null,
        })
        .onConflictDoNothing({ target: [session.userId, session.clientId], where: sql`client_id is not null` })
        .returning()
      if (!made) return replayed(tx, caller, input, clientHash, initiateToo)
      await tx.orm.insert(sessionHead).values({ sessionId: id })
      await tx.orm.insert(workspace).values({ sessionId: id })
      const first = initiateToo ? await queueFirst(tx, made) : null
      await wake(tx, id)
      return { row: made, first, replayed: false }
    })
  }

  /** The same `clientId` again: the same session, if the content is the same and it has not been deleted. */
  async function replayed(
    tx: Tx,
    caller: Caller,
    input: PrepareSessionInput,
    hash: string | null,
    initiateToo: boolean,
  ) {
    const [row] = await tx.orm
      .select()
      .from(session)
      .where(and(eq(session.userId, caller.userId), eq(session.clientId, input.clientId ?? '')))
    if (!row || row.clientHash !== hash || row.state === 'deleted') throw new CorralError('idempotency_mismatch')
    const first = initiateToo ? await firstExecution(tx, row.id) : null
    if (initiateToo && !first) throw new CorralError('idempotency_mismatch')
    return { row, first, replayed: true }
  }

  async function initiate(caller: Caller, id: SessionId, organizationId: string | undefined): Promise<Ack> {
    return database.transaction(async (tx) => {
      const row = await lockOwned(tx, caller, id)
      if (organizationId !== undefined && organizationId !== row.organizationId)
        throw new CorralError('session_not_found')
      if (row.state === 'unprepared') throw new CorralError('not_prepared')
      if (row.initiatedAt) {
        const first = await firstExecution(tx, id)
        if (!first) throw new Error(`session ${id} is initiated but has no execution`)
        return ackOf(row, first)
      }
      const first = await queueFirst(tx, row)
      await tx.orm
        .update(session)
        .set({ state: 'open', initiatedAt: sql`now()`, updatedAt: sql`now()` })
        .where(eq(session.id, id))
      await wake(tx, id)
      return ackOf(row, first)
    })
  }

  async function send(caller: Caller, id: SessionId, input: SendInput): Promise<Ack> {
    if (input.model !== undefined) await requireModel('model', input.model)
    const clientHash = input.clientId === undefined ? null : contentHash({ ...input, clientId: undefined })
    return database.transaction(async (tx) => {
      const row = await lockOwned(tx, caller, id)
      if (row.state !== 'open') throw new CorralError('not_initiated')
      if (input.clientId !== undefined) {
        const [known] = await tx.orm
          .select()
          .from(execution)
          .where(and(eq(execution.sessionId, id), eq(execution.clientId, input.clientId)))
        if (known && known.clientHash !== clientHash) throw new CorralError('idempotency_mismatch')
        if (known) return ackOf(row, known)
      }
      const queued = await queue(tx, row, {
        prompt: input.prompt,
        request: await requestOf(tx, row, input),
        clientId: input.clientId ?? null,
        clientHash,
      })
      await wake(tx, id)
      return ackOf(row, queued)
    })
  }

  async function updateExecution(
    caller: Caller,
    id: SessionId,
    input: {
      executionId: ExecutionId
      prompt?: string | undefined
      mode?: string | undefined
      model?: string | undefined
    },
  ): Promise<Ack> {
    if (input.model !== undefined) await requireModel('model', input.model)
    return database.transaction(async (tx) => {
      const row = await lockOwned(tx, caller, id)
      const [current] = await tx.orm
        .select()
        .from(execution)
        .where(and(eq(execution.id, input.executionId), eq(execution.sessionId, id)))
        .for('update')
      if (!current) throw new CorralError('execution_not_found')
      if (current.state !== 'queued') throw new CorralError('no_longer_open')
      const [changed] = await tx.orm
        .update(execution)
        .set({
          prompt: input.prompt ?? current.prompt,
          request: {
            ...current.request,
            mode: input.mode ?? current.request.mode,
            model: input.model ?? current.request.model,
          },
        })
        .where(eq(execution.id, current.id))
        .returning()
      if (!changed) throw new CorralError('no_longer_open')
      if (input.prompt !== undefined) await log.appendIn(tx, id, [promptEvent(row, changed)])
      return ackOf(row, changed)
    })
  }

  async function queueFirst(tx: Tx, row: SessionRow): Promise<ExecutionRow> {
    const { configuration } = row
    return queue(tx, row, {
      prompt: configuration.prompt,
      request: {
        mode: configuration.mode,
        model: configuration.model,
        variant: configuration.variant,
        appendSystemPrompt: configuration.appendSystemPrompt,
        autoCommit: configuration.autoCommit,
        condenseOnComplete: configuration.condenseOnComplete,
      },
      clientId: null,
      clientHash: null,
    })
  }

  /** Under the lock of the session's head, which makes admissions of one session follow each other. */
  async function queue(
    tx: Tx,
    row: SessionRow,
    what: { prompt: string; request: ExecutionRequest; clientId: string | null; clientHash: string | null },
  ): Promise<ExecutionRow> {
    const [waiting] = await tx.orm
      .select({ count: count() })
      .from(execution)
      .where(and(eq(execution.sessionId, row.id), eq(execution.state, 'queued')))
    if ((waiting?.count ?? 0) >= limits.queuedExecutions) throw new CorralError('queue_full')

    const id = newExecutionId()
    const ids = { messageId: newMessageId(), partId: newPartId() }
    const [queuedSeq] = await log.appendIn(tx, row.id, [
      {
        type: 'queued',
        executionId: id,
        data: JSON.stringify({ executionId: id, ...ids, agentSessionId: row.agentSessionId, text: what.prompt }),
        key: `queued:${id}`,
      },
    ])
    if (queuedSeq === undefined) throw new Error(`the queued event of ${id} was not stored`)
    // A sandbox that could not be started for earlier work gets its tries again.
    if (row.sandboxId) {
      await tx.orm
        .update(sandbox)
        .set({ attempt: 0 })
        .where(and(eq(sandbox.id, row.sandboxId), eq(sandbox.state, 'stopped')))
    }
    const [made] = await tx.orm
      .insert(execution)
      .values({ id, sessionId: row.id, queuedSeq, ...ids, ...what })
      .returning()
    if (!made) throw new Error(`execution ${id} was not stored`)
    return made
  }

  /** What a follow-up does not say is as it was the last time. */
  async function requestOf(tx: Tx, row: SessionRow, input: SendInput): Promise<ExecutionRequest> {
    const [last] = await tx.orm
      .select({ request: execution.request })
      .from(execution)
      .where(eq(execution.sessionId, row.id))
      .orderBy(sql`${execution.queuedSeq} desc`)
      .limit(1)
    const before = last?.request ?? row.configuration
    return {
      mode: input.mode ?? before.mode,
      model: input.model ?? before.model,
      variant: input.variant ?? before.variant,
      appendSystemPrompt: input.appendSystemPrompt ?? before.appendSystemPrompt,
      autoCommit: input.autoCommit ?? before.autoCommit,
      condenseOnComplete: input.condenseOnComplete ?? before.condenseOnComplete,
    }
  }

  async function wake(tx: Tx, id: SessionId): Promise<void> {
    await wakeSessions(tx, [id])
    await tx.orm
      .update(session)
      .set({ activity: sql`nextval('session_activity')`, updatedAt: sql`now()` })
      .where(eq(session.id, id))
    tx.afterCommit(deps.wake)
  }

  async function requireModel(path: string, model: string): Promise<void> {
    const refused = await deps.checkModel(model)
    if (refused) throw invalidInput(path, refused)
  }

  return {
    async prepare(caller: Caller, input: PrepareSessionInput): Promise<PreparedPair> {
      const { row, replayed: again } = await prepare(caller, input, false)
      return {
        cloudAgentSessionId: row.id,
        kiloSessionId: row.agentSessionId,
        ...(again ? { replayed: true } : {}),
      }
    },
    async start(caller: Caller, input: PrepareSessionInput): Promise<Ack> {
      const { row, first } = await prepare(caller, input, true)
      if (!first) throw new Error(`session ${row.id} was started without an execution`)
      return ackOf(row, first)
    },
    initiate,
    send,
    updateExecution,
  }
}

/** The user's message with its new words: the same ids, so that every view replaces it. */
function promptEvent(row: SessionRow, changed: ExecutionRow) {
  return {
    type: 'kilocode' as const,
    executionId: changed.id,
    entityId: changed.partId,
    data: JSON.stringify({
      type: 'message.part.updated',
      properties: {
        part: {
          id: changed.partId,
          sessionID: row.agentSessionId,
          messageID: changed.messageId,
          type: 'text',
          text: changed.prompt,
        },
      },
    }),
  }
}

async function firstExecution(tx: Tx, id: SessionId): Promise<ExecutionRow | undefined> {
  const [first] = await tx.orm
    .select()
    .from(execution)
    .where(eq(execution.sessionId, id))
    .orderBy(execution.queuedSeq)
    .limit(1)
  return first
}

const ackOf = (row: SessionRow, of: ExecutionRow): Ack => ({
  cloudAgentSessionId: row.id,
  kiloSessionId: row.agentSessionId,
  executionId: of.id,
  status: of.state === 'queued' ? 'queued' : 'started',
  streamUrl: `/stream?cloudAgentSessionId=${row.id}`,
})

function configurationOf(input: PrepareSessionInput): SessionConfiguration {
  return {
    prompt: input.prompt,
    mode: input.mode,
    model: input.model,
    variant: input.variant,
    githubRepo: input.githubRepo,
    gitUrl: input.gitUrl,
    envVars: input.envVars ?? {},
    setupCommands: input.setupCommands ?? [],
    upstreamBranch: input.upstreamBranch,
    autoCommit: input.autoCommit ?? false,
    condenseOnComplete: input.condenseOnComplete ?? false,
    shallow: input.shallow ?? false,
    appendSystemPrompt: input.appendSystemPrompt,
    createdOnPlatform: input.createdOnPlatform ?? 'cloud-agent',
  }
}

/** Equal for equal content, whatever the order of members. */
function contentHash(content: unknown): string {
  return createHash('sha256').update(stable(content)).digest('hex')
}

function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${stable(member)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}
