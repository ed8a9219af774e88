/**
 * The sandboxes of this installation: the rows say what is wanted, the drivers what really is, and each row is looked at
 * when it is due. Invariants: a sandbox is started from `stopped` alone; what no row knows is stopped, by identity.
 */
import { newBootId, newSandboxId, type SandboxId, type StatusData } from '@corral/protocol'
import { and, eq, inArray, max, sql } from 'drizzle-orm'
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import { createReconciler, type Reconciler } from '../database/reconciler.ts'
import { sandbox } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { wakeSandbox, wakeSessionsOf } from '../database/wake.ts'
import { hostUserIdsUsable } from '../host/hostUser.ts'
import { newHostUser } from '../host/newHostUser.ts'
import type { Links } from '../supervisors/links.ts'
import { decideSandbox, type SandboxFacts } from './decide.ts'
import { removeDiscarded, type SessionFiles, setAside } from './discard.ts'
import type { Driver, SandboxLimits } from './driver.ts'
import { isWhole } from './folder.ts'
import { sandboxFolder } from './layout.ts'
import { createLifecycle } from './lifecycle.ts'
import { linkToken, linkTokenHash } from './linkToken.ts'
import { createStartTurns } from './startTurns.ts'

export type Fleet = {
  /** The sandbox that is shared by these; else a new one. */
  obtain(tx: Tx, which: { name: string; sharedBy: string | null }): Promise<SandboxId>
  /** `stopped → starting`, a new boot; false when it is in another state. */
  requestStart(tx: Tx, id: SandboxId): Promise<boolean>
  /** Towards `stopped`, whatever runs in it. */
  requestStop(tx: Tx, id: SandboxId): Promise<void>
  /** Removes files of a sandbox that is stopped, under the lock that keeps it so. */
  discard(tx: Tx, id: SandboxId, files: SessionFiles | 'all'): Promise<void>
  /** A link of it has opened or closed. */
  linkChanged(id: SandboxId): Promise<void>
  /** Compares what the driver has with the rows: adopts, and stops strays. */
  takeStock(): Promise<void>
  /** False when its folders were removed under it. */
  isWhole(id: SandboxId): Promise<boolean>
  reconciler: Reconciler
  close(): Promise<void>
}

export type FleetDependencies = {
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
  agentsFolder: string
  limits: SandboxLimits
  startsAtOnce: number
  /** Link tokens are derived from it, so that a start that is repeated gives the same token. */
  secret: string
  timers: Timers
  logger: Logger
}

export function createFleet(deps: FleetDependencies): Fleet {
  const { database, driver, links, timers, logger } = deps
  const turns = createStartTurns({ atOnce: deps.startsAtOnce, now: () => performance.now() })
  const lifecycle = createLifecycle({ ...deps, turns })

  async function factsOf(row: typeof sandbox.$inferSelect): Promise<SandboxFacts> {
    const link = links.of(row.id)
    const work = await deps.workIn(row.id)
    return {
      state: row.state,
      whole: await isWhole(sandboxFolder(deps.dataFolder, row.id)),
      spawned: row.ref !== null,
      startingSince: row.startingSince,
      unreachableSince: row.unreachableSince,
      busy: work.busy,
      idleSince:
        work.idleSince && row.startingSince && work.idleSince > row.startingSince ? work.idleSince : row.startingSince,
      linked: link !== null && link.bootId === row.bootId,
      silentForMs: links.silentForMs(row.id),
      inspectedBeforeMs: lifecycle.inspectedBeforeMs(row.id),
      watchingForMs: deps.watchingForMs(),
    }
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
      if (action.do === 'spawn' && !turns.take(found.row.id))
        return { until: new Date(found.now.getTime() + timers.sandboxTurnMs) }
      if (action.do !== 'inspect') logger.info({ sandboxId: found.row.id, action }, 'sandbox')
      await lifecycle.act(action, claim, found.row)
      return 'again'
    },
  })

  /** A folder that is removed tells nobody. One look at each sandbox that runs is cheap, a claim on its row is not. */
  async function lookForLost(): Promise<void> {
    for (const id of links.linked()) {
      if (await isWhole(sandboxFolder(deps.dataFolder, id))) continue
      await database.transaction((tx) => wakeSandbox(tx, id))
      reconciler.poke()
    }
  }
  const looking = setInterval(() => {
    lookForLost().catch((error: unknown) => logger.warn({ error }, 'the folders of sandboxes could not be looked at'))
  }, timers.sandboxFolderMs)

  const closing = new AbortController()
  let clearing: Promise<void> = Promise.resolve()

  /** One after the other, since each removes all there is. What stays is removed by the next. */
  function clearAway(): void {
    clearing = clearing
      .then(() => removeDiscarded(deps.dataFolder, closing.signal))
      .catch((error: unknown) => {
        if (!closing.signal.aborted) logger.warn({ error }, 'files are left to be removed')
      })
  }

  return {
    reconciler,
    isWhole: (id) => isWhole(sandboxFolder(deps.dataFolder, id)),
    async close() {
      clearInterval(looking)
      closing.abort()
      await Promise.all([reconciler.close(), clearing])
    },

    async obtain(tx, { name, sharedBy }) {
      // One at a time: two that share one must find the same, and no host user is given twice.
      await tx.orm.execute(sql`select pg_advisory_xact_lock(hashtext('corral: new sandbox'))`)
      const [shared] =
        sharedBy === null
          ? []
          : await tx.orm.select({ id: sandbox.id }).from(sandbox).where(eq(sandbox.sharedBy, sharedBy))
      if (shared) return shared.id
      const id = newSandboxId()
      const hostUser = hostUserIdsUsable() ? await nextHostUser(tx) : null
      await tx.orm.insert(sandbox).values({ id, name, sharedBy, driver: driver.name, hostUser })
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
          linkTokenHash: linkTokenHash(linkToken(deps.secret, bootId)),
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

    async discard(tx, id, files) {
      await setAside(sandboxFolder(deps.dataFolder, id), files)
      tx.afterCommit(clearAway)
    },

    async linkChanged(id) {
      // Whether it is still there is asked at once, not when silence has lasted long enough.
      lifecycle.inspectNext(id)
      await lifecycle.reportConnection(id)
      await database.transaction(async (tx) => {
        await wakeSandbox(tx, id)
        await wakeSessionsOf(tx, id)
        tx.afterCommit(() => reconciler.poke())
        tx.afterCommit(deps.wakeSessions)
      })
    },

    async takeStock() {
      clearAway()
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
      await driver.tidy()
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

/** By sandbox_host_user. */
async function nextHostUser(tx: Tx): Promise<number> {
  const [highest] = await tx.orm.select({ hostUser: max(sandbox.hostUser) }).from(sandbox)
  return newHostUser(highest?.hostUser ?? null)
}
