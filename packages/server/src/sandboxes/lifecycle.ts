/**
 * What is done to one sandbox: started, looked at, given up, stopped. Invariants: a state changes by compare-and-set,
 * under a claim; `ready → stopping` for idleness only when no session has work in it; the driver's part runs with no
 * transaction open.
 */
import { type BootId, failures, type SandboxId } from '@corral/protocol'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { type Claim, holdClaim } from '../database/reconciler.ts'
import { sandbox } from '../database/schema.ts'
import { wakeSessionsOf } from '../database/wake.ts'
import type { SandboxAction } from './decide.ts'
import { type DriverRef, driverRefSchema } from './driver.ts'
import type { FleetDependencies } from './fleet.ts'
import { sandboxFolder } from './layout.ts'
import { linkToken } from './linkToken.ts'
import type { StartTurns } from './startTurns.ts'

type Row = typeof sandbox.$inferSelect

export function createLifecycle(deps: FleetDependencies & { turns: StartTurns }) {
  const { database, driver, links, timers, logger, turns } = deps
  /** When the driver was last asked about a sandbox, monotonic. */
  const inspectedAt = new Map<SandboxId, number>()
  /** Spawned here and not connected yet: when, monotonic. */
  const connecting = new Map<SandboxId, { bootId: BootId; attempt: number; since: number }>()

  async function act(action: Exclude<SandboxAction, { do: 'wait' }>, claim: Claim, row: Row) {
    switch (action.do) {
      case 'spawn':
        return spawn(claim, row)
      case 'inspect':
        return inspect(claim, row)
      case 'markUnreachable':
        await change(claim, row.id, ['ready'], { state: 'unreachable', unreachableSince: sql`now()` })
        // A supervisor that was only frozen dials again, and its hello is what makes the sandbox ready.
        return links.of(row.id)?.close(1000, 'silent for too long')
      case 'stop':
        return stop(claim, row, action.because)
    }
  }

  async function spawn(claim: Claim, row: Row): Promise<void> {
    const bootId = row.bootId as BootId | null
    if (!bootId) throw new Error(`sandbox ${row.id} is starting without a boot`)
    const step = (state: 'running' | 'ok' | 'failed', message: string, durationMs?: number) =>
      deps.report(
        row.id,
        { message, step: 'sandbox_create', stepId: bootId, attempt: row.attempt, state, durationMs },
        `step:${bootId}:sandbox_create:${state}`,
      )
    await step('running', 'Starting the sandbox')
    const begun = performance.now()
    connecting.set(row.id, { bootId, attempt: row.attempt, since: begun })
    let ref: DriverRef
    try {
      ref = await driver.start({
        sandboxId: row.id,
        bootId,
        folder: sandboxFolder(deps.dataFolder, row.id),
        doorsFolder: deps.doorsFolder,
        supervisorBundle: deps.supervisorBundle,
        nodeBinary: deps.nodeBinary,
        agentsFolder: deps.agentsFolder,
        linkToken: linkToken(deps.secret, bootId),
        ...(row.hostUser === null ? {} : { hostUser: row.hostUser }),
        limits: deps.limits,
      })
    } catch (error) {
      logger.error({ sandboxId: row.id, bootId, error }, 'the sandbox could not be started')
      const message = error instanceof Error ? error.message : String(error)
      await step('failed', message.slice(0, 500), performance.now() - begun)
      return stopped(claim, row.id, 'sandbox_start_failed', message)
    }
    inspectedAt.set(row.id, performance.now())
    await step('ok', 'The sandbox runs', performance.now() - begun)
    await database.transaction(async (tx) => {
      await holdClaim(tx, 'sandbox', claim)
      // The supervisor may have said hello already: its state is not ours to set here.
      await tx.orm
        .update(sandbox)
        .set({ ref, startingSince: sql`now()` })
        .where(and(eq(sandbox.id, row.id), eq(sandbox.bootId, bootId)))
    })
  }

  async function reportConnection(id: SandboxId): Promise<void> {
    const waited = connecting.get(id)
    if (!waited || links.of(id)?.bootId !== waited.bootId) return
    connecting.delete(id)
    turns.end(id)
    const durationMs = performance.now() - waited.since
    await deps.report(
      id,
      {
        message: 'The supervisor is connected',
        step: 'supervisor_connect',
        attempt: waited.attempt,
        state: 'ok',
        durationMs,
      },
      `step:${waited.bootId}:supervisor_connect`,
    )
  }

  async function inspect(claim: Claim, row: Row): Promise<void> {
    const ref = refOf(row)
    const found = ref ? await driver.inspect(ref) : 'stopped'
    inspectedAt.set(row.id, performance.now())
    if (found !== 'stopped') return
    // Without a reference the driver may be starting it this moment; the claim keeps that from happening here.
    if (row.state === 'starting' && !ref) return
    const reason = row.state === 'starting' ? 'sandbox_start_failed' : 'sandbox_lost'
    logger.warn({ sandboxId: row.id, bootId: row.bootId, state: row.state }, 'the sandbox is gone')
    // What is left of it on the host is removed.
    if (ref) await driver.stop(ref, 0)
    await stopped(claim, row.id, reason, failures[reason].sentence)
  }

  async function stop(claim: Claim, row: Row, because: string): Promise<void> {
    const stopping = await database.transaction(async (tx) => {
      // Its lock is what `deliver` takes, too: either that work is seen here, or this state is seen there.
      const [locked] = await tx.orm.select().from(sandbox).where(eq(sandbox.id, row.id)).for('update')
      await holdClaim(tx, 'sandbox', claim)
      if (!locked || locked.state === 'stopped') return false
      if (because === 'idle' && (await deps.workIn(row.id)).busy) return false
      await tx.orm.update(sandbox).set({ state: 'stopping' }).where(eq(sandbox.id, row.id))
      return true
    })
    if (!stopping) return
    logger.info({ sandboxId: row.id, because }, 'stopping a sandbox')
    // A server that died in the middle of a start left no reference; the driver knows it all the same.
    const ref = refOf(row) ?? (await driver.list()).find(({ sandboxId }) => sandboxId === row.id)
    if (ref) {
      const end = await driver.stop(ref, because === 'silence' || because === 'lost' ? 0 : timers.sandboxGraceMs)
      if (end === 'unconfirmed') logger.error({ sandboxId: row.id, ref }, 'the end of a sandbox could not be confirmed')
    }
    if (because === 'start_timeout')
      return stopped(claim, row.id, 'sandbox_start_failed', 'Its supervisor did not connect in time.')
    const lost = because === 'lost' ? 'sandbox_lost' : null
    await stopped(claim, row.id, lost, lost && failures[lost].sentence)
  }

  async function stopped(
    claim: Claim,
    id: SandboxId,
    reason: 'sandbox_start_failed' | 'sandbox_lost' | null,
    message: string | null,
  ): Promise<void> {
    links.of(id)?.close(1000, 'the sandbox has stopped')
    connecting.delete(id)
    turns.end(id)
    await change(claim, id, ['starting', 'ready', 'unreachable', 'stopping'], {
      state: 'stopped',
      ref: null,
      linkTokenHash: null,
      unreachableSince: null,
      reason,
      message,
    })
  }

  type Change = Omit<Partial<typeof sandbox.$inferInsert>, 'unreachableSince'> & { unreachableSince?: unknown }

  async function change(claim: Claim, id: SandboxId, from: Row['state'][], set: Change) {
    await database.transaction(async (tx) => {
      await holdClaim(tx, 'sandbox', claim)
      const changed = await tx.orm
        .update(sandbox)
        .set(set as Partial<typeof sandbox.$inferInsert>)
        .where(and(eq(sandbox.id, id), inArray(sandbox.state, from)))
        .returning({ id: sandbox.id })
      if (changed.length === 0) return
      await wakeSessionsOf(tx, id)
      tx.afterCommit(deps.wakeSessions)
    })
  }

  return {
    act,
    reportConnection,
    /** Milliseconds since the driver was asked; null when this server has not asked since it last had a reason to. */
    inspectedBeforeMs(id: SandboxId): number | null {
      const at = inspectedAt.get(id)
      return at === undefined ? null : performance.now() - at
    },
    /** There is a reason to ask the driver at once. */
    inspectNext: (id: SandboxId) => void inspectedAt.delete(id),
  }
}

function refOf(row: typeof sandbox.$inferSelect): DriverRef | null {
  if (row.ref === null) return null
  return driverRefSchema.parse(row.ref)
}
