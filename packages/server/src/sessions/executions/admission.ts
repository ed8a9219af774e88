/**
 * Admission: what a caller asks of a session becomes rows and a `queued` event in one transaction, and nothing else
 * happens in the request. Invariants: a repeated `clientId` with the same content gives the same answer and with other
 * content 409; a session is initiated once; what is refused has changed nothing.
 */
import {
  type Ack,
  type CommandCall,
  CorralError,
  commandLine,
  type ExecutionId,
  invalidInput,
  type SendMessageInput,
  type SessionId,
} from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import type { Credits } from '../../credits/credits.ts'
import { execution, session } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import { message } from '../../database/transcriptTables.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import { lockOwned } from '../access.ts'
import { attach } from '../attachments/attach.ts'
import type { Admissible } from '../configuration/admissible.ts'
import type { ContentHash } from '../configuration/contentHash.ts'
import type { SealedConfigurations } from '../configuration/sealedConfiguration.ts'
import { firstLine } from '../reconciler/commands.ts'
import { changeTitle } from '../recorded/titles.ts'
import type { MessageExtras, Sessions } from '../sessions.ts'
import { refuseUnknownCommand } from './commandsOf.ts'
import { ackOf, type ExecutionQueue, firstExecution } from './executionQueue.ts'
import { requestOf } from './request.ts'

type SessionRow = typeof session.$inferSelect
type ExecutionRow = typeof execution.$inferSelect
type InitiateOptions = Parameters<Sessions['initiate']>[2]
type SendInput = Omit<SendMessageInput, 'cloudAgentSessionId' | 'sessionId'>

export function createAdmission(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  queue: ExecutionQueue
  contentHash: ContentHash
  sealed: SealedConfigurations
  credits: Credits
  admissible: Pick<Admissible, 'checkModel'>
}) {
  const { database, log, queue } = deps

  async function initiate(
    caller: Caller,
    id: SessionId,
    { kilocodeOrganizationId: organizationId, githubToken }: InitiateOptions,
  ): Promise<Ack> {
    return database.transaction(async (tx) => {
      const row = await lockOwned(tx, caller, id)
      if (organizationId !== undefined && organizationId !== row.organizationId)
        throw new CorralError('session_not_found')
      if (row.state === 'unprepared') throw new CorralError('not_prepared')
      await replaceTokens(tx, id, { githubToken })
      if (row.initiatedAt) {
        const first = await firstExecution(tx, id)
        // One that began without a prompt has no first message until somebody sends it.
        if (!first)
          throw new CorralError('already_initiated', {
            sentence: 'This session has begun without a prompt; send it one.',
          })
        return ackOf(row, first)
      }
      await deps.credits.require(tx, caller, row, row.configuration.model)
      const first = await queue.addFirst(tx, row)
      await tx.orm
        .update(session)
        .set({ state: 'open', initiatedAt: sql`now()`, updatedAt: sql`now()` })
        .where(eq(session.id, id))
      await queue.wakeSession(tx, id)
      return ackOf(row, first)
    })
  }

  async function send(
    caller: Caller,
    id: SessionId,
    input: SendInput,
    { contents = [], workspaceFiles = [], editorContext, ...ids }: MessageExtras = {},
  ): Promise<Ack> {
    const command = commandOf(input)
    const prompt = command ? commandLine(command) : input.prompt
    if (prompt === undefined) throw invalidInput('prompt', 'is required')
    if (input.model !== undefined) await deps.admissible.checkModel(input.model)
    const said = { ...input, clientId: undefined, ...(workspaceFiles.length > 0 && { workspaceFiles }), editorContext }
    const clientHash = input.clientId === undefined ? null : deps.contentHash(said)
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
      if (ids.messageId !== undefined) await refuseKnownMessage(tx, id, ids.messageId)
      if (command) await refuseUnknownCommand(tx, id, command.name)
      await replaceTokens(tx, id, input)
      if (editorContext && row.agentKind !== 'kilo')
        throw invalidInput('editorContext', 'is for sessions of Kilo; this one has another agent')
      const owner = { userId: caller.userId, sessionId: id }
      const files = [...(await attach(tx, owner, input.attachments ?? [], contents)), ...workspaceFiles]
      const request = {
        ...(await requestOf(tx, row, input)),
        ...(command && { command }),
        ...(files.length > 0 && { files }),
        ...(editorContext && { editorContext }),
      }
      await deps.credits.require(tx, caller, row, request.model)
      const queued = await queue.add(tx, row, {
        prompt,
        request,
        clientId: input.clientId ?? null,
        clientHash,
        ...ids,
      })
      if (row.title === '') await changeTitle(tx, log, row, { title: firstLine(prompt), generated: true })
      await queue.wakeSession(tx, id)
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
    if (input.model !== undefined) await deps.admissible.checkModel(input.model)
    return database.transaction(async (tx) => {
      const row = await lockOwned(tx, caller, id)
      const [current] = await tx.orm
        .select()
        .from(execution)
        .where(and(eq(execution.id, input.executionId), eq(execution.sessionId, id)))
        .for('update')
      if (!current) throw new CorralError('execution_not_found')
      if (current.state !== 'queued') throw new CorralError('no_longer_open')
      if (input.prompt !== undefined && current.request.command)
        throw invalidInput('prompt', 'this execution is a command; stop it, and send another one')
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

  /** A token that is passed later takes the place of the one before. */
  async function replaceTokens(
    tx: Tx,
    id: SessionId,
    { githubToken, gitToken }: Pick<SendMessageInput, 'githubToken' | 'gitToken'>,
  ): Promise<void> {
    if (githubToken === undefined && gitToken === undefined) return
    const secret = await deps.sealed.open(tx.orm, id)
    await deps.sealed.store(tx, id, {
      ...secret,
      ...(githubToken !== undefined && { githubToken }),
      ...(gitToken !== undefined && { gitToken }),
    })
  }

  return { initiate, send, updateExecution }
}

/** An id is one message's; another message must not take its place in the transcript. */
async function refuseKnownMessage(tx: Tx, id: SessionId, messageId: string): Promise<void> {
  const [known] = await tx.orm
    .select({ id: message.id })
    .from(message)
    .where(and(eq(message.sessionId, id), eq(message.id, messageId)))
  if (known) {
    throw new CorralError('idempotency_mismatch', { sentence: 'There is another message of this id in the session.' })
  }
}

function commandOf({ command: name, arguments: given = '' }: SendInput): CommandCall | undefined {
  return name === undefined ? undefined : { name, arguments: given }
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
