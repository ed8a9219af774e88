/**
 * Preparation: a session with its configuration comes into being, once per `clientId`; with `start`, its first execution
 * with it. Sandbox, checkout and agent follow behind the answer.
 */
import {
  type Ack,
  CorralError,
  invalidInput,
  newAgentSessionId,
  newSessionId,
  type PreparedPair,
  type PrepareSessionInput,
} from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import type { CallbackTargets } from '../callbacks/target.ts'
import { type SessionConfiguration, session, sessionHead, workspace } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import type { Caller, Membership } from '../identity/caller.ts'
import { firstLine } from './commands.ts'
import type { ContentHash } from './contentHash.ts'
import { ackOf, type ExecutionQueue, firstExecution } from './executionQueue.ts'
import { type RepositoryPolicy, repositoryIdentity } from './repository.ts'
import { countsOf, type SealedConfigurations, type SecretConfiguration } from './sealedConfiguration.ts'
import { refuseUnbuilt } from './unbuilt.ts'

export function createPreparation(deps: {
  database: Database
  queue: ExecutionQueue
  membership: Membership
  repositories: RepositoryPolicy
  sealed: SealedConfigurations
  callbackTargets: Pick<CallbackTargets, 'admit'>
  contentHash: ContentHash
  /** The installed agent of that kind (the operator's first without one), or a sentence why there is none. */
  chooseAgent(kind: string | undefined): Promise<{ kind: string; version: string } | { refused: string }>
  /** A sentence when no upstream takes this model. */
  checkModel(model: string): Promise<string | null>
}) {
  const { database, queue } = deps

  async function prepare(caller: Caller, input: PrepareSessionInput, initiateToo: boolean) {
    refuseForeign(caller, input)
    refuseUnbuilt(input)
    if (input.kilocodeOrganizationId && !(await deps.membership(caller.userId, input.kilocodeOrganizationId))) {
      throw new CorralError('organization_not_found')
    }
    const refused = await deps.checkModel(input.model)
    if (refused) throw invalidInput('model', refused)
    const repository = await repositoryIdentity(input, deps.repositories)
    if (input.callbackTarget) deps.callbackTargets.admit(input.callbackTarget)
    const agent = await deps.chooseAgent(input.agentKind)
    if ('refused' in agent) throw invalidInput('agentKind', agent.refused)
    const clientHash = input.clientId === undefined ? null : deps.contentHash({ ...input, clientId: undefined })

    return database.transaction(async (tx) => {
      const id = newSessionId()
      const [made] = await tx.orm
        .insert(session)
        .values({
          id,
          state: initiateToo ? 'open' : 'prepared',
          userId: caller.userId,
          organizationId: input.kilocodeOrganizationId ?? null,
          botId: input.botId ?? caller.botId,
          agentSessionId: newAgentSessionId(),
          agentKind: agent.kind,
          agentVersion: agent.version,
          repository,
          configuration: shownConfiguration(input),
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
      await deps.sealed.store(tx, id, secretConfiguration(input))
      const first = initiateToo ? await queue.addFirst(tx, made) : null
      await queue.wakeSession(tx, id)
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
  }
}

/** Some members only our own back ends may say. */
function refuseForeign(caller: Caller, input: PrepareSessionInput): void {
  if (caller.internal) return
  for (const member of ['sessionBranch', 'botId'] as const) {
    if (input[member] !== undefined) throw invalidInput(member, 'needs the internal key')
  }
}

/** What reads may show. */
function shownConfiguration(input: PrepareSessionInput): SessionConfiguration {
  return {
    prompt: input.prompt,
    mode: input.mode,
    model: input.model,
    variant: input.variant,
    githubRepo: input.githubRepo,
    gitUrl: input.gitUrl,
    upstreamBranch: input.upstreamBranch,
    autoCommit: input.autoCommit ?? false,
    condenseOnComplete: input.condenseOnComplete ?? false,
    shallow: input.shallow ?? false,
    appendSystemPrompt: input.appendSystemPrompt,
    platform: input.platform,
    pullRequest: input.pullRequest,
    permissions: input.permissions,
    fallbackModels: input.fallbackModels,
    timeoutMs: input.timeoutMs,
    sessionBranch: input.sessionBranch,
    createdOnPlatform: input.createdOnPlatform ?? 'cloud-agent',
    ...countsOf(secretConfiguration(input)),
  }
}

/** What may be secret; the only way to it is `sealedConfiguration.ts`. */
function secretConfiguration(input: PrepareSessionInput): SecretConfiguration {
  return {
    envVars: input.envVars ?? {},
    setupCommands: input.setupCommands ?? [],
    githubToken: input.githubToken,
    gitToken: input.gitToken,
    mcpServers: input.mcpServers ?? {},
    callbackTarget: input.callbackTarget,
    encryptedSecrets: input.encryptedSecrets ?? {},
  }
}
