/**
 * Changes of a session's configuration between preparation and initiation: one transaction, all members or none. A change
 * of what its workspace was made with makes that stale, and it is made anew. Source: 30-cloud-agent-api §6.
 */
import { CorralError, combinationFault, invalidInput, type SessionId, type SessionPatch } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { session, workspace } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { lockOwned } from '../access.ts'
import type { ExecutionQueue } from '../executions/executionQueue.ts'
import type { Admissible } from './admissible.ts'
import { changesPreparation, patched } from './configuration.ts'
import type { SealedConfigurations } from './sealedConfiguration.ts'

export function createUpdate(deps: {
  database: Database
  queue: ExecutionQueue
  sealed: SealedConfigurations
  admissible: Admissible
  defaultModel: string
}) {
  return async function update(
    caller: Caller,
    id: SessionId,
    patch: SessionPatch,
    expectedVersion: number | undefined,
  ): Promise<{ success: true; version: number }> {
    await deps.admissible.checkPatch(patch)
    return deps.database.transaction(async (tx) => {
      const row = await lockOwned(tx, caller, id)
      refuseByState(row.state, patch)
      if (expectedVersion !== undefined && expectedVersion !== row.configVersion) {
        throw new CorralError('version_conflict', { details: { version: row.configVersion } })
      }
      const before = { shown: row.configuration, secret: await deps.sealed.open(tx.orm, id) }
      const { shown, secret } = patched(before, patch, { model: deps.defaultModel })
      const fault = combinationFault(shown)
      if (fault) throw invalidInput(fault.path, fault.message)
      deps.admissible.checkPullRequest(row.repository, shown)
      await deps.sealed.store(tx, id, secret)
      await tx.orm
        .update(session)
        .set({ configuration: shown, configVersion: row.configVersion + 1 })
        .where(eq(session.id, id))
      if (changesPreparation(patch)) await makeStale(tx, id)
      // Its agent is started anew with what it has now, before anybody waits for it.
      if (row.state === 'prepared') {
        await tx.orm.update(workspace).set({ warmUp: 'due' }).where(eq(workspace.sessionId, id))
      }
      await deps.queue.wakeSession(tx, id)
      return { success: true, version: row.configVersion + 1 }
    })
  }
}

/** Where outcomes are sent may change at any time; it counts for executions that are admitted afterwards. */
function refuseByState(state: (typeof session.$inferSelect)['state'], patch: SessionPatch): void {
  if (state === 'unprepared') throw new CorralError('not_prepared')
  const changed = Object.entries(patch).filter(([, value]) => value !== undefined)
  const afterwards = changed.length > 0 && changed.every(([member]) => member === 'callbackTarget')
  if (state === 'open' && !afterwards) throw new CorralError('already_initiated')
}

/** A checkout of another edition is not used again; one that is being made is overtaken. */
async function makeStale(tx: Tx, id: SessionId): Promise<void> {
  await tx.orm
    .update(workspace)
    .set({
      edition: sql`${workspace.edition} + 1`,
      state: 'absent',
      step: null,
      reason: null,
      message: null,
      branch: null,
      baseCommit: null,
    })
    .where(eq(workspace.sessionId, id))
}
