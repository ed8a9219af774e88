/**
 * Does the one thing that `decide` asked for. Each effect first commits what it is about to do, then does it, or does
 * something idempotent and then commits what came of it; a crash between the two is repaired by the next look.
 * Nothing long is awaited: commands answer `accepted`, and their end comes as an event.
 */
import type { ExecutionId, FailureReason, SandboxId, SessionId, StatusData } from '@corral/protocol'
import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import { type Claim, holdClaim } from '../database/reconciler.ts'
import { event, execution, message, part, sandbox, session, sessionHead, workspace } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'

import type { Log } from '../log/log.ts'
import { CommandRefused, type Link } from '../supervisors/link.ts'
import type { Links } from '../supervisors/links.ts'
import type { Commands } from './commands.ts'
import type { SessionAction } from './decide.ts'
import type { SessionLook } from './facts.ts'

import { type Ending, settle } from './settle.ts'
import { failHead } from './sink.ts'

export type EffectDependencies = {
  database: Database
  log: Pick<Log, 'appendIn' | 'compactIn'>
  links: Links
  commands: Commands
  /** Makes (or finds) the sandbox row of a session and asks for its start; under the locks of the transaction. */
  requestSandbox(tx: Tx, look: SessionLook): Promise<SandboxId>
  /** Asks for its end. */
  requestStop(tx: Tx, sandboxId: SandboxId): Promise<void>
  /** Removes the files of a sandbox that has stopped. */
  removeSandbox(sandboxId: SandboxId): Promise<void>
  wakeSandboxes(): void
  timers: Timers
  logger: Logger
}

type Action<D extends SessionAction['do']> = Extract<SessionAction, { do: D }>
type Doable = Exclude<SessionAction, Action<'wait'>>

/** How often an execution is handed to a supervisor that has lost its workspace. */
const deliveryAttempts = 3

export function createEffects(deps: EffectDependencies) {
  const { database, log, links, commands, timers, logger } = deps

  /** A transaction that holds the session's head, its sandbox and the claim, in that order. */
  async function write<T>(claim: Claim, look: SessionLook, run: (tx: Tx) => Promise<T>): Promise<T> {
    return database.transaction(async (tx) => {
      await tx.orm
        .select({ id: sessionHead.sessionId })
        .from(sessionHead)
        .where(eq(sessionHead.sessionId, look.session.id))
        .for('no key update')
      if (look.sandbox) {
        await tx.orm.select({ id: sandbox.id }).from(sandbox).where(eq(sandbox.id, look.sandbox.id)).for('update')
      }
      await holdClaim(tx, 'session', claim)
      return run(tx)
    })
  }

  function linkOf(look: SessionLook): Link | null {
    return look.sandbox ? links.of(look.sandbox.id) : null
  }

  /** Sends a command; a command that did not arrive is due again on this link. */
  async function send(
    link: Link,
    what: string,
    run: () => Promise<unknown>,
    again: () => Promise<void>,
  ): Promise<void> {
    try {
      await run()
    } catch (error) {
      logger.warn({ sandboxId: link.sandboxId, what, error: String(error) }, 'a command was not accepted')
      await again()
    }
  }

  async function startSandbox(claim: Claim, look: SessionLook) {
    await write(claim, look, (tx) => deps.requestSandbox(tx, look))
    deps.wakeSandboxes()
  }

  async function stopSandbox(claim: Claim, look: SessionLook) {
    const sandboxId = look.sandbox?.id
    if (!sandboxId) return
    await write(claim, look, (tx) => deps.requestStop(tx, sandboxId))
    deps.wakeSandboxes()
  }

  async function prepareWorkspace(claim: Claim, look: SessionLook, { again }: Action<'prepareWorkspace'>) {
    const link = linkOf(look)
    if (!link) return
    const attempt = again ? look.workspace.attempt : look.workspace.attempt + 1
    await write(claim, look, (tx) =>
      tx.orm
        .update(workspace)
        .set({
          state: 'preparing',
          attempt,
          sentLink: link.id,
          preparingSince: again ? look.workspace.preparingSince : sql`now()`,
          step: null,
          reason: null,
          message: null,
        })
        .where(eq(workspace.sessionId, look.session.id)),
    )
    await send(
      link,
      'session.prepare',
      async () => {
        const first = !(await hasEnded(look.session.id))
        await link.call('session.prepare', await commands.prepare(look, attempt, { first }), timers.commandMs)
      },
      () => forget(claim, look, (tx) => unsent(tx, workspace, eq(workspace.sessionId, look.session.id))),
    )
  }

  /** Whether an execution of the session is over. */
  async function hasEnded(id: SessionId): Promise<boolean> {
    const ended = await database.orm
      .select({ id: execution.id })
      .from(execution)
      .where(and(eq(execution.sessionId, id), isNotNull(execution.endedAt)))
      .limit(1)
    return ended.length > 0
  }

  async function deliver(claim: Claim, look: SessionLook, { executionId }: Action<'deliver'>) {
    const link = linkOf(look)
    const boot = look.sandbox
    if (!link || !boot) return
    const first = look.facts.running === null
    const row = await write(claim, look, async (tx) => {
      // The sandbox may be on its way to stop; under its lock it either is ready, or this is put off.
      const [ready] = await tx.orm
        .select({ id: sandbox.id })
        .from(sandbox)
        .where(and(eq(sandbox.id, boot.id), eq(sandbox.state, 'ready'), eq(sandbox.bootId, boot.bootId ?? '')))
      if (!ready) return null
      const [delivered] = await tx.orm
        .update(execution)
        .set({
          state: 'running',
          attempt: sql`greatest(${execution.attempt}, 1)`,
          sentLink: link.id,
          deliveredAt: sql`coalesce(${execution.deliveredAt}, now())`,
        })
        .where(and(eq(execution.id, executionId), eq(execution.state, first ? 'queued' : 'running')))
        .returning()
      if (!delivered) return null
      await tx.orm.update(workspace).set({ agentUntil: null }).where(eq(workspace.sessionId, look.session.id))
      if (first) {
        const waitedMs = Math.max(0, look.now.getTime() - delivered.createdAt.getTime())
        await log.appendIn(tx, look.session.id, [
          statusEvent(
            { message: 'Left the queue', step: 'queue_wait', state: 'ok', durationMs: waitedMs, attempt: 1 },
            `step:${executionId}:queue_wait`,
            executionId,
          ),
        ])
      }
      return delivered
    })
    if (!row) return
    try {
      await link.call('session.execute', await commands.execute(look, row), timers.commandMs)
    } catch (error) {
      logger.warn({ sessionId: look.session.id, executionId, error: String(error) }, 'an execution was not accepted')
      if (error instanceof CommandRefused) await undeliver(claim, look, row, error)
      else await forget(claim, look, (tx) => unsent(tx, execution, eq(execution.id, executionId)))
    }
  }

  /** The supervisor will not run it as things are: what can be mended is, and anything else ends it. */
  async function undeliver(
    claim: Claim,
    look: SessionLook,
    row: typeof execution.$inferSelect,
    refused: CommandRefused,
  ) {
    const { id } = look.session
    const end = (ending: Ending) =>
      write(claim, look, async (tx) => {
        const event = await settle(tx, { sessionId: id, executionId: row.id }, ending, { stopped: true })
        if (event) await log.appendIn(tx, id, [event])
      })
    switch (refused.refusal) {
      case 'busy':
        return forget(claim, look, (tx) => unsent(tx, execution, eq(execution.id, row.id)))
      case 'interrupted':
        return end({ state: 'interrupted' })
      case 'diskFull':
        return end({ state: 'failed', reason: 'disk_full' })
      case 'notPrepared':
      case 'unknownSession': {
        // It had been begun, and what knew of it is lost: it is not run again by itself.
        if (row.startedAt) return end({ state: 'failed', reason: 'agent_restarted' })
        if (row.attempt >= deliveryAttempts) return end({ state: 'failed', reason: 'workspace_setup_failed' })
        return write(claim, look, async (tx) => {
          await tx.orm
            .update(execution)
            .set({ state: 'queued', attempt: row.attempt + 1, deliveredAt: null, sentLink: null })
            .where(and(eq(execution.id, row.id), eq(execution.state, 'running')))
          await tx.orm.update(workspace).set({ state: 'absent' }).where(eq(workspace.sessionId, id))
        })
      }
      default:
        return end({ state: 'failed', reason: 'agent_unavailable', message: refused.message })
    }
  }

  async function interrupt(claim: Claim, look: SessionLook, { executionId }: Action<'interrupt'>) {
    const link = linkOf(look)
    const target = look.facts.ending.find((candidate) => candidate.id === executionId)
    if (!link || !target) return
    await markSent(claim, look, executionId, link)
    await send(
      link,
      'session.interrupt',
      () =>
        link.call(
          'session.interrupt',
          { session: look.session.id, executionId, attempt: Math.max(1, target.attempt) },
          timers.commandMs,
        ),
      () => forget(claim, look, (tx) => unsent(tx, execution, eq(execution.id, executionId))),
    )
  }

  async function finalize(claim: Claim, look: SessionLook, { executionId }: Action<'finalize'>) {
    const link = linkOf(look)
    if (!link) return
    const [row] = await database.orm.select().from(execution).where(eq(execution.id, executionId))
    if (!row) return
    await markSent(claim, look, executionId, link)
    await send(
      link,
      'session.finalize',
      () => link.call('session.finalize', commands.finalize(look, row), timers.commandMs),
      () => forget(claim, look, (tx) => unsent(tx, execution, eq(execution.id, executionId))),
    )
  }

  async function markSent(claim: Claim, look: SessionLook, executionId: ExecutionId, link: Link) {
    await write(claim, look, (tx) =>
      tx.orm.update(execution).set({ sentLink: link.id }).where(eq(execution.id, executionId)),
    )
  }

  /** The command is due again, after a moment: the link may be going down, and its end will say so. */
  async function forget(claim: Claim, look: SessionLook, run: (tx: Tx) => Promise<unknown>) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, timers.reconcilerPollMs)))
    await write(claim, look, run)
  }

  async function settleStopped(claim: Claim, look: SessionLook, { executionId }: Action<'settleStopped'>) {
    await write(claim, look, (tx) =>
      tx.orm.update(execution).set({ stoppedAt: sql`now()` }).where(eq(execution.id, executionId)),
    )
  }

  async function giveUpFinalization(claim: Claim, look: SessionLook, { executionId }: Action<'giveUpFinalization'>) {
    await write(claim, look, async (tx) => {
      await tx.orm.update(execution).set({ finalization: 'done' }).where(eq(execution.id, executionId))
      await log.appendIn(tx, look.session.id, [
        statusEvent(
          { message: 'Committing and pushing took too long; the work stays in the workspace.', level: 'warning' },
          `finalization:${executionId}`,
          executionId,
        ),
      ])
    })
  }

  async function stopAgent(claim: Claim, look: SessionLook) {
    await write(claim, look, (tx) =>
      tx.orm.update(workspace).set({ agentUntil: null }).where(eq(workspace.sessionId, look.session.id)),
    )
    const link = linkOf(look)
    if (!link) return
    await send(
      link,
      'session.stopAgent',
      () => link.call('session.stopAgent', { session: look.session.id }, timers.commandMs),
      async () => {},
    )
  }

  async function fail(claim: Claim, look: SessionLook, action: Action<'fail'>) {
    await write(claim, look, async (tx) => {
      const ending = await settle(
        tx,
        { sessionId: look.session.id, executionId: action.executionId },
        { state: 'failed', reason: action.reason, message: action.message },
        { stopped: look.sandbox === null || look.sandbox.state === 'stopped' },
      )
      if (ending) await log.appendIn(tx, look.session.id, [ending])
    })
  }

  async function failPreparation(claim: Claim, look: SessionLook, action: Action<'failPreparation'>) {
    const message = look.sandbox?.message ? `${action.message} ${look.sandbox.message}` : action.message
    const failure: { reason: FailureReason; message: string } = { reason: action.reason, message }
    await write(claim, look, async (tx) => {
      // The next message tries again from the beginning: no state is a dead end.
      if (look.sandbox?.state === 'stopped') {
        await tx.orm.update(sandbox).set({ attempt: 0 }).where(eq(sandbox.id, look.sandbox.id))
      }
      await tx.orm
        .update(workspace)
        .set({ state: 'failed', ...failure })
        .where(eq(workspace.sessionId, look.session.id))
      const ended = await failHead(tx, look.session.id, failure)
      if (ended.length > 0) await log.appendIn(tx, look.session.id, ended)
    })
  }

  async function compact(claim: Claim, look: SessionLook, { executionId }: Action<'compact'>) {
    const deltas = await write(claim, look, async (tx) => {
      const gone = await log.compactIn(tx, { sessionId: look.session.id, executionId })
      await tx.orm.update(execution).set({ compactedAt: sql`now()` }).where(eq(execution.id, executionId))
      return gone
    })
    logger.debug({ sessionId: look.session.id, executionId, deltas }, 'compacted')
  }

  /**
   * Everything of a deleted session goes; its row stays as a tombstone, so that nothing late brings it back,
   * and so does its sandbox's, whose host user is never given again.
   */
  async function remove(claim: Claim, look: SessionLook) {
    const { id } = look.session
    if (look.sandbox) await deps.removeSandbox(look.sandbox.id)
    await write(claim, look, async (tx) => {
      await tx.orm.delete(event).where(eq(event.sessionId, id))
      await tx.orm.delete(part).where(eq(part.sessionId, id))
      await tx.orm.delete(message).where(eq(message.sessionId, id))
      await tx.orm.delete(execution).where(eq(execution.sessionId, id))
      await tx.orm.delete(workspace).where(eq(workspace.sessionId, id))
      await tx.orm
        .update(session)
        .set({
          sandboxId: null,
          title: '',
          configuration: { ...look.session.configuration, prompt: '', envVars: {}, setupCommands: [] },
        })
        .where(eq(session.id, id))
    })
  }

  return async function act(action: Doable, claim: Claim, look: SessionLook): Promise<void> {
    switch (action.do) {
      case 'startSandbox':
        return startSandbox(claim, look)
      case 'stopSandbox':
        return stopSandbox(claim, look)
      case 'prepareWorkspace':
        return prepareWorkspace(claim, look, action)
      case 'deliver':
        return deliver(claim, look, action)
      case 'interrupt':
        return interrupt(claim, look, action)
      case 'settleStopped':
        return settleStopped(claim, look, action)
      case 'finalize':
        return finalize(claim, look, action)
      case 'giveUpFinalization':
        return giveUpFinalization(claim, look, action)
      case 'stopAgent':
        return stopAgent(claim, look)
      case 'fail':
        return fail(claim, look, action)
      case 'failPreparation':
        return failPreparation(claim, look, action)
      case 'compact':
        return compact(claim, look, action)
      case 'remove':
        return remove(claim, look)
    }
  }
}

export const statusEvent = (data: StatusData, key: string, executionId?: ExecutionId) => ({
  type: 'status' as const,
  executionId,
  data: JSON.stringify(data),
  key,
})

/** Due again: no link has been told. */
async function unsent(tx: Tx, table: typeof workspace | typeof execution, where: ReturnType<typeof eq>): Promise<void> {
  await tx.orm.update(table).set({ sentLink: null }).where(where)
}
