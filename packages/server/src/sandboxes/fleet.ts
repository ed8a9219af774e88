/**
 * The sandboxes of this installation: asks the drivers for what the rows say, and tells the rows what really is.
 * Invariants: a state changes by compare-and-set under the row's lock; `ready → stopping` only when no session has
 * work in it; a driver's effect runs with no transaction open; what no row knows is stopped, by identity.
 */
import { createHash, createHmac } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { type BootId, failures, newBootId, newSandboxId, type SandboxId, type StatusData } from '@corral/protocol'
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import { type Claim, createReconciler, holdClaim, type Reconciler } from '../database/reconciler.ts'
import { sandbox } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { wakeSandbox, wakeSessionsOf } from '../database/wake.ts'
import { allocateHostUser, hostUserIdsUsable } from '../host/hostUser.ts'
import type { Links } from '../supervisors/links.ts'
import { decideSandbox, type SandboxAction, type SandboxFacts } from './decide.ts'
import { type Driver, type DriverRef, driverRefSchema, type SandboxAgent, type SandboxLimits } from './driver.ts'
import { sandboxFolder } from './layout.ts'

export type Fleet = {
  /** Makes the row of a sandbox that does not exist yet. */
  create(tx: Tx, name: string): Promise<SandboxId>
  /** `stopped → starting`, a new boot; false when it is in another state. */
  requestStart(tx: Tx, id: SandboxId): Promise<boolean>
  /** Towards `stopped`, whatever runs in it. */
  requestStop(tx: Tx, id: SandboxId): Promise<void>
  /** Removes the files of a stopped sandbox. */
  remove(id: SandboxId): Promise<void>
  /** A link of it has opened or closed. */
  linkChanged(id: SandboxId): Promise<void>
  /** Compares what the driver has with the rows: adopts, and stops strays. */
  takeStock(): Promise<void>
  reconciler: Reconciler
}

export function createFleet(deps: {
  database: Database
  driver: Driver
  links: Links
  /** Sessions that have queued, running or unfinalized work in a sandbox, and the end of the last. */
  workIn(id: SandboxId): Promise<{ busy: boolean; idleSince: Date | null }>
  /** A step of a start, told to the log of whoever it is for. */
  report(id: SandboxId, step: StatusData, key: string): Promise<void>
  wakeSessions(): void
  watchingForMs(): number
  dataFolder: string
  doorsFolder: string
  supervisorBundle: string
  nodeBinary: string
  agents(): Promise<SandboxAgent[]>
  limits: SandboxLimits
  /** Link tokens are derived from it, so that a start that is repeated gives the same token. */
  secret: string
  timers: Timers
  logger: Logger
}): Fleet {
  const { database, driver, links, timers, logger } = deps
  /** When the driver was last asked about a sandbox, monotonic. */
  const inspectedAt = new Map<SandboxId, number>()
  /** Spawned here and not connected yet: when, monotonic. */
  const connecting = new Map<SandboxId, { bootId: BootId; attempt: number; since: number }>()

  const linkToken = (bootId: BootId) =>
    createHmac('sha256', deps.secret).update(`corral link ${bootId}`).digest('base64url')
  const hashOf = (token: string) => createHash('sha256').update(token).digest()

  async function factsOf(row: typeof sandbox.$inferSelect): Promise<SandboxFacts> {
    const link = links.of(row.id)
    const inspected = inspectedAt.get(row.id)
    const work = await deps.workIn(row.id)
    return {
      state: row.state,
      spawned: row.ref !== null,
      startingSince: row.startingSince,
      unreachableSince: row.unreachableSince,
      busy: work.busy,
      idleSince:
        work.idleSince && row.startingSince && work.idleSince > row.startingSince ? work.idleSince : row.startingSince,
      linked: link !== null && link.bootId === row.bootId,
      silentForMs: links.silentForMs(row.id),
      inspectedBeforeMs: inspected === undefined ? null : performance.now() - inspected,
      watchingForMs: deps.watchingForMs(),
    }
  }

  async function act(action: Exclude<SandboxAction, { do: 'wait' }>, claim: Claim, row: typeof sandbox.$inferSelect) {
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

  async function spawn(claim: Claim, row: typeof sandbox.$inferSelect): Promise<void> {
    const bootId = row.bootId as BootId | null
    if (!bootId) throw new Error(`sandbox ${row.id} is starting without a boot`)
    const step = (state: 'running' | 'ok' | 'failed', message: string, durationMs?: number) =>
      deps.report(
        row.id,
        { message, step: 'sandbox_create', stepId: bootId, attempt: row.attempt, state, durationMs },
        `step:${bootId}:sandbox_create:${state}`,
      )
    const begun = performance.now()
    try {
      await step('running', 'Starting the sandbox')
      connecting.set(row.id, { bootId, attempt: row.attempt, since: performance.now() })
      const ref = await driver.start({
        sandboxId: row.id,
        bootId,
        folder: sandboxFolder(deps.dataFolder, row.id),
        doorsFolder: deps.doorsFolder,
        supervisorBundle: deps.supervisorBundle,
        nodeBinary: deps.nodeBinary,
        agents: await deps.agents(),
        linkToken: linkToken(bootId),
        ...(row.hostUser === null ? {} : { hostUser: row.hostUser }),
        limits: deps.limits,
      })
      inspectedAt.set(row.id, performance.now())
      await step('ok', 'The sandbox runs', performance.now() - begun)
      await database.transaction(async (tx) => {
        await holdClaim(tx, 'sandbox', claim)
        // The supervisor may have said hello already: its state is not ours to set here.
        await tx.orm
          .update(sandbox)
          .set({ ref })
          .where(and(eq(sandbox.id, row.id), eq(sandbox.bootId, bootId)))
      })
    } catch (error) {
      logger.error({ sandboxId: row.id, bootId, error }, 'the sandbox could not be started')
      const message = error instanceof Error ? error.message : String(error)
      await step('failed', message.slice(0, 500), performance.now() - begun)
      await stopped(claim, row.id, 'sandbox_start_failed', message)
    }
  }

  async function reportConnection(id: SandboxId): Promise<void> {
    const waited = connecting.get(id)
    if (!waited || links.of(id)?.bootId !== waited.bootId) return
    connecting.delete(id)
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

  async function inspect(claim: Claim, row: typeof sandbox.$inferSelect): Promise<void> {
    const ref = refOf(row)
    const found = ref ? await driver.inspect(ref) : 'stopped'
    inspectedAt.set(row.id, performance.now())
    if (found !== 'stopped') return
    // Without a reference the driver may be starting it this moment; the claim keeps that from happening here.
    if (row.state === 'starting' && !ref) return
    const reason = row.state === 'starting' ? 'sandbox_start_failed' : 'sandbox_lost'
    logger.warn({ sandboxId: row.id, bootId: row.bootId, state: row.state }, 'the sandbox is gone')
    await stopped(claim, row.id, reason, failures[reason].sentence)
  }

  async function stop(claim: Claim, row: typeof sandbox.$inferSelect, because: string): Promise<void> {
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
      const end = await driver.stop(ref, because === 'silence' ? 0 : timers.sandboxGraceMs)
      if (end === 'unconfirmed') logger.error({ sandboxId: row.id, ref }, 'the end of a sandbox could not be confirmed')
    }
    const timedOut = because === 'start_timeout'
    await stopped(
      claim,
      row.id,
      timedOut ? 'sandbox_start_failed' : null,
      timedOut ? 'Its supervisor did not connect in time.' : null,
    )
  }

  async function stopped(
    claim: Claim,
    id: SandboxId,
    reason: 'sandbox_start_failed' | 'sandbox_lost' | null,
    message: string | null,
  ): Promise<void> {
    links.of(id)?.close(1000, 'the sandbox has stopped')
    connecting.delete(id)
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

  async function change(claim: Claim, id: SandboxId, from: (typeof sandbox.$inferSelect)['state'][], set: Change) {
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

  const reconciler = createReconciler({
    database,
    table: 'sandbox',
    timers,
    logger,
    async step(claim) {
      const [found] = await database.orm
        .select({ row: sandbox, now: sql`clock_timestamp()`.mapWith(sandbox.createdAt) })
        .from(sandbox)
        .where(eq(sandbox.id, claim.key as SandboxId))
      if (!found) return { until: null }
      claim.wakeNo = found.row.wakeNo
      const action = decideSandbox(await factsOf(found.row), found.now, timers)
      if (action.do === 'wait') return { until: action.until }
      if (action.do !== 'inspect') logger.info({ sandboxId: found.row.id, action }, 'sandbox')
      await act(action, claim, found.row)
      return 'again'
    },
  })

  return {
    reconciler,

    async create(tx, name) {
      const id = newSandboxId()
      await tx.orm
        .insert(sandbox)
        .values({ id, name, driver: driver.name, hostUser: hostUserIdsUsable() ? await nextHostUser(tx) : null })
      return id
    },

    async requestStart(tx, id) {
      const bootId = newBootId()
      const started = await tx.orm
        .update(sandbox)
        .set({
          state: 'starting',
          attempt: sql`${sandbox.attempt} + 1`,
          bootId,
          linkTokenHash: hashOf(linkToken(bootId)),
          incarnation: 0,
          ref: null,
          startingSince: sql`now()`,
          unreachableSince: null,
          reason: null,
          message: null,
        })
        .where(and(eq(sandbox.id, id), eq(sandbox.state, 'stopped')))
        .returning({ id: sandbox.id })
      await wakeSandbox(tx, id)
      tx.afterCommit(() => reconciler.poke())
      return started.length > 0
    },

    async requestStop(tx, id) {
      await tx.orm
        .update(sandbox)
        .set({ state: 'stopping' })
        .where(and(eq(sandbox.id, id), inArray(sandbox.state, ['starting', 'ready', 'unreachable'])))
      await wakeSandbox(tx, id)
      tx.afterCommit(() => reconciler.poke())
    },

    async remove(id) {
      inspectedAt.delete(id)
      await rm(sandboxFolder(deps.dataFolder, id), { recursive: true, force: true })
    },

    async linkChanged(id) {
      // Whether it is still there is asked at once, not when silence has lasted long enough.
      inspectedAt.delete(id)
      await reportConnection(id)
      await database.transaction(async (tx) => {
        await wakeSandbox(tx, id)
        await wakeSessionsOf(tx, id)
        tx.afterCommit(() => reconciler.poke())
        tx.afterCommit(deps.wakeSessions)
      })
    },

    async takeStock() {
      const real = await driver.list()
      const rows = await database.orm.select().from(sandbox)
      for (const ref of real) {
        const row = rows.find((candidate) => candidate.id === ref.sandboxId)
        const known = row !== undefined && row.bootId === ref.bootId && row.state !== 'stopped'
        if (known) {
          if (row.ref === null) {
            await database.transaction((tx) => tx.orm.update(sandbox).set({ ref }).where(eq(sandbox.id, row.id)))
          }
          continue
        }
        logger.warn({ sandboxId: ref.sandboxId, bootId: ref.bootId }, 'stopping a sandbox that no row knows')
        await driver.stop(ref, 0)
      }
      const live = rows.filter((row) => row.state !== 'stopped').map((row) => row.id)
      if (live.length === 0) return
      await database.transaction(async (tx) => {
        for (const id of live) {
          await wakeSandbox(tx, id)
          await wakeSessionsOf(tx, id)
        }
      })
    },
  }
}

/** Ids of past sandboxes are not given again: files of theirs may remain. */
async function nextHostUser(tx: Tx): Promise<number> {
  await tx.client.query(`select pg_advisory_xact_lock(hashtext('corral host user'))`)
  const rows = await tx.orm.select({ hostUser: sandbox.hostUser }).from(sandbox)
  return allocateHostUser(rows.flatMap(({ hostUser }) => (hostUser === null ? [] : [hostUser])))
}

function refOf(row: typeof sandbox.$inferSelect): DriverRef | null {
  if (row.ref === null) return null
  return driverRefSchema.parse(row.ref)
}
