/**
 * Preparation: a session with its configuration comes into being, once per `clientId`; with `start`, its first execution
 * with it. Sandbox, checkout and agent follow behind the answer.
 */
import {
  type Ack,
  type AgentSessionId,
  CorralError,
  invalidInput,
  newAgentSessionId,
  newSessionId,
  type OpenSessionInput,
  type PreparedPair,
  type PrepareSessionInput,
  type SessionId,
} from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import type { Credits } from '../../credits/credits.ts'
import { type execution, session, sessionHead, workspace } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { findOwned } from '../access.ts'
import { attach } from '../attachments/attach.ts'
import { ackOf, type ExecutionQueue, firstExecution } from '../executions/executionQueue.ts'
import { adopt } from '../pushed/adopt.ts'
import { firstLine } from '../reconciler/commands.ts'
import type { Admissible } from './admissible.ts'
import { configurationOf } from './configuration.ts'
import type { ContentHash } from './contentHash.ts'
import { type RepositoryPolicy, repositoryIdentity } from './repository.ts'
import type { SealedConfigurations } from './sealedConfiguration.ts'

type SessionRow = typeof session.$inferSelect
type Made = { row: SessionRow; first: typeof execution.$inferSelect | null; replayed: boolean }

export function createPreparation(deps: {
  database: Database
  queue: ExecutionQueue
  repositories: RepositoryPolicy
  sealed: SealedConfigurations
  contentHash: ContentHash
  credits: Credits
  admissible: Admissible
  /** The installed agent of that kind (the operator's first without one), or a sentence why there is none. */
  chooseAgent(kind: string | undefined): Promise<{ kind: string; version: string } | { refused: string }>
}) {
  const { database, queue } = deps

  type What = {
    caller: Caller
    input: PrepareSessionInput
    /** Given where the session exists elsewhere already; else both are minted. */
    ids?: { id: SessionId; agentSessionId: AgentSessionId }
    /** Whether it begins at once: with its prompt, or waiting for the first message. */
    begins?: 'later' | 'with its prompt' | 'empty'
    title?: string
  }

  async function prepare({ caller, input, ids, begins = 'later', title }: What): Promise<Made> {
    await deps.admissible.checkConfiguration(caller, input)
    const repository = await repositoryIdentity(input, deps.repositories)
    deps.admissible.checkPullRequest(repository, input)
    const agent = await deps.chooseAgent(input.agentKind)
    if ('refused' in agent) throw invalidInput('agentKind', agent.refused)
    const repeatable = input.clientId !== undefined || ids !== undefined
    const clientHash = repeatable ? deps.contentHash({ ...input, ...ids, title, clientId: undefined }) : null
    const { shown, secret } = configurationOf(input)

    return database.transaction(async (tx) => {
      const id = ids?.id ?? newSessionId()
      const content = {
        state: begins === 'later' ? 'prepared' : 'open',
        organizationId: input.kilocodeOrganizationId ?? null,
        botId: input.botId ?? caller.botId,
        agentKind: agent.kind,
        agentVersion: agent.version,
        repository,
        configuration: shown,
        title: title ?? firstLine(input.prompt),
        clientId: input.clientId ?? null,
        clientHash,
      } satisfies Partial<typeof session.$inferInsert>
      const adopted = ids && (await adopt(tx, caller, ids, content))
      const [made] = adopted
        ? [adopted]
        : await tx.orm
            .insert(session)
            .values({
              ...content,
              preparedAt: sql`now()`,
              initiatedAt: begins === 'later' ? null : sql`now()`,
              ...{ id, userId: caller.userId, agentSessionId: ids?.agentSessionId ?? newAgentSessionId() },
            })
            .onConflictDoNothing()
            .returning()
      if (!made) return known(tx, { caller, input, ids, begins }, clientHash)
      const warmUp = begins === 'with its prompt' ? 'over' : 'due'
      if (adopted) await tx.orm.update(workspace).set({ warmUp }).where(eq(workspace.sessionId, id))
      else {
        await tx.orm.insert(sessionHead).values({ sessionId: id })
        await tx.orm.insert(workspace).values({ sessionId: id, warmUp })
      }
      await deps.sealed.store(tx, id, secret)
      const row = await withFiles(tx, made, input)
      await deps.credits.require(tx, caller, row, row.configuration.model)
      const first = begins === 'with its prompt' ? await queue.addFirst(tx, row) : null
      await queue.wakeSession(tx, id)
      return { row, first, replayed: false }
    })
  }

  /** Its first prompt's files are its own from now on, whenever it is initiated. */
  async function withFiles(tx: Tx, made: SessionRow, { attachments = [] }: PrepareSessionInput): Promise<SessionRow> {
    if (attachments.length === 0) return made
    const files = await attach(tx, { userId: made.userId, sessionId: made.id }, attachments)
    const configuration = { ...made.configuration, files }
    await tx.orm.update(session).set({ configuration }).where(eq(session.id, made.id))
    return { ...made, configuration }
  }

  /** The same `clientId` or ids again: the same session, if the content is the same and it has not been deleted. */
  async function known(tx: Tx, { caller, input, ids, begins }: What, hash: string | null): Promise<Made> {
    const [row] =
      input.clientId === undefined
        ? []
        : await tx.orm
            .select()
            .from(session)
            .where(and(eq(session.userId, caller.userId), eq(session.clientId, input.clientId)))
    if (!row) {
      const same = await linked(tx, caller, ids, hash)
      return { row: same, first: (await firstExecution(tx, same.id)) ?? null, replayed: true }
    }
    if (row.clientHash !== hash || row.state === 'deleted') throw new CorralError('idempotency_mismatch')
    const started = begins === 'with its prompt'
    const first = started ? ((await firstExecution(tx, row.id)) ?? null) : null
    if (started && !first) throw new CorralError('idempotency_mismatch')
    return { row, first, replayed: true }
  }

  /** A session that has these very ids and belongs to the caller; anything else is none. */
  async function linked(tx: Tx, caller: Caller, ids: What['ids'], hash: string | null): Promise<SessionRow> {
    if (!ids) throw new Error('a session with new ids exists already')
    const row = await findOwned(tx.orm, caller, { sessionId: ids.id })
    if (row.agentSessionId !== ids.agentSessionId) throw new CorralError('session_not_found')
    if (row.clientHash !== hash) throw new CorralError('already_initiated')
    return row
  }

  return {
    async prepare(caller: Caller, input: PrepareSessionInput): Promise<PreparedPair> {
      return pairOf(await prepare({ caller, input }))
    },
    async prepareLinked(caller: Caller, input: PrepareSessionInput, ids: NonNullable<What['ids']>) {
      return pairOf(await prepare({ caller, input, ids }))
    },
    async startPushed(caller: Caller, agentSessionId: AgentSessionId, input: PrepareSessionInput): Promise<Ack> {
      const { id } = await findOwned(database.orm, caller, { agentSessionId })
      const { row, first } = await prepare({ caller, input, ids: { id, agentSessionId }, begins: 'with its prompt' })
      if (!first) throw new CorralError('already_initiated')
      return ackOf(row, first)
    },
    async start(caller: Caller, input: PrepareSessionInput): Promise<Ack> {
      const { row, first } = await prepare({ caller, input, begins: 'with its prompt' })
      if (!first) throw new Error(`session ${row.id} was started without an execution`)
      return ackOf(row, first)
    },
    async open(caller: Caller, { title, ...input }: OpenSessionInput & { title: string }): Promise<PreparedPair> {
      if (input.attachments?.length)
        throw invalidInput('attachments', 'come with a prompt; send them with the first one')
      return pairOf(await prepare({ caller, input: { ...input, prompt: '' }, begins: 'empty', title }))
    },
  }
}

const pairOf = ({ row, replayed }: Made): PreparedPair => ({
  cloudAgentSessionId: row.id,
  kiloSessionId: row.agentSessionId,
  ...(replayed ? { replayed: true } : {}),
})
