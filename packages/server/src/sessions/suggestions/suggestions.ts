/**
 * What people do with suggestions. Accepting queues the action's prompt as an execution, in the same transaction. Invariants:
 * the first answer counts, and the same again is a success; nothing waits for either.
 */
import {
  type Ack,
  type CommandCall,
  CorralError,
  invalidInput,
  type SessionId,
  type SuggestionState,
  type SuggestionView,
  suggestionRequestSchema,
} from '@corral/protocol'
import { and, desc, eq, sql } from 'drizzle-orm'
import type { Credits } from '../../credits/credits.ts'
import { suggestion } from '../../database/askTables.ts'
import { execution, workspace } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import { recordAudit } from '../../identity/audit.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import { findOwned, lockOwned } from '../access.ts'
import { ackOf, type ExecutionQueue } from '../executions/executionQueue.ts'
import { requestOf } from '../executions/request.ts'
import { closingEvent, type SuggestionRow } from './shown.ts'

/** What one look at the suggestions of a session shows. */
const mostShown = 100

export function createSuggestions(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  queue: ExecutionQueue
  credits: Credits
}) {
  const { database, log, queue } = deps

  return {
    async accept(
      caller: Caller,
      id: SessionId,
      { suggestionId, index }: { suggestionId: string; index: number },
    ): Promise<Ack> {
      return database.transaction(async (tx) => {
        const owner = await lockOwned(tx, caller, id)
        const row = await find(tx, id, suggestionId)
        const action = suggestionRequestSchema.parse(row.request).actions[index]
        if (!action) throw invalidInput('index', 'names no action of this suggestion')
        if (row.state === 'accepted') {
          if (row.acceptedIndex !== index) throw new CorralError('already_answered')
          const [known] = await tx.orm
            .select()
            .from(execution)
            .where(eq(execution.id, row.acceptedAs ?? row.executionId))
          if (!known) throw new CorralError('no_longer_open')
          return ackOf(owner, known)
        }
        refuseClosed(row)
        const command = await commandIn(tx, id, action.prompt)
        const request = { ...(await requestOf(tx, owner, {})), ...(command && { command }) }
        await deps.credits.require(tx, caller, owner, request.model)
        // Before the message that would withdraw it.
        await tx.orm
          .update(suggestion)
          .set({ state: 'accepted', closedAt: sql`now()`, acceptedIndex: index, answeredBy: caller.userId })
          .where(named(id, row.id))
        await log.appendIn(tx, id, [closingEvent(row, { by: 'user', accepted: { index, action } })])
        const queued = await queue.add(tx, owner, { prompt: action.prompt, request, clientId: null, clientHash: null })
        await tx.orm.update(suggestion).set({ acceptedAs: queued.id }).where(named(id, row.id))
        await audit(tx, caller, owner, row)
        await queue.wakeSession(tx, id)
        return ackOf(owner, queued)
      })
    },

    async dismiss(caller: Caller, id: SessionId, suggestionId: string): Promise<void> {
      await database.transaction(async (tx) => {
        const owner = await lockOwned(tx, caller, id)
        const row = await find(tx, id, suggestionId)
        if (row.state === 'dismissed') return
        if (row.state === 'accepted') throw new CorralError('already_answered')
        refuseClosed(row)
        await tx.orm
          .update(suggestion)
          .set({ state: 'dismissed', closedAt: sql`now()`, answeredBy: caller.userId })
          .where(named(id, row.id))
        await log.appendIn(tx, id, [closingEvent(row, { by: 'user' })])
        await audit(tx, caller, owner, row)
      })
    },

    /** The newest ones, newest last. */
    async list(caller: Caller, id: SessionId, state: SuggestionState | undefined): Promise<SuggestionView[]> {
      await findOwned(database.orm, caller, { sessionId: id })
      const rows = await database.orm
        .select()
        .from(suggestion)
        .where(and(eq(suggestion.sessionId, id), state && eq(suggestion.state, state)))
        .orderBy(desc(suggestion.shownAt), desc(suggestion.id))
        .limit(mostShown)
      return rows.reverse().map(viewOf)
    },
  }
}

const named = (id: SessionId, suggestionId: string) =>
  and(eq(suggestion.sessionId, id), eq(suggestion.id, suggestionId))

async function find(tx: Tx, id: SessionId, suggestionId: string): Promise<SuggestionRow> {
  const [row] = await tx.orm.select().from(suggestion).where(named(id, suggestionId))
  if (!row) throw new CorralError('suggestion_not_found')
  return row
}

function refuseClosed({ state }: SuggestionRow): void {
  if (state !== 'open') throw new CorralError('no_longer_open')
}

/** A prompt that is the line of a command of this agent is that command. */
async function commandIn(tx: Tx, id: SessionId, prompt: string): Promise<CommandCall | null> {
  const [, name, given = ''] = /^\/(\S+)(?:\s+([\s\S]*))?$/.exec(prompt.trim()) ?? []
  if (name === undefined) return null
  const [row] = await tx.orm.select({ commands: workspace.commands }).from(workspace).where(eq(workspace.sessionId, id))
  return row?.commands?.some((command) => command.name === name) ? { name, arguments: given } : null
}

const audit = (
  tx: Tx,
  caller: Caller,
  { id, organizationId }: { id: SessionId; organizationId: string | null },
  row: SuggestionRow,
) => recordAudit(tx, caller, { action: 'session.answered', subject: id, organizationId, details: { ask: row.id } })

const viewOf = (row: SuggestionRow): SuggestionView => ({
  id: row.id,
  executionId: row.executionId,
  state: row.state,
  request: row.request,
  shownAt: row.shownAt.getTime(),
  ...(row.acceptedIndex !== null &&
    row.acceptedAs !== null && { accepted: { index: row.acceptedIndex, executionId: row.acceptedAs } }),
})
