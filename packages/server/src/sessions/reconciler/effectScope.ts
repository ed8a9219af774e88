/**
 * What every effect on a session works with: the look that its decision was made from, the link that was there, and the
 * one way to write: under the locks of the session's head, its sandbox and the claim, in that order.
 */
import { type and, eq } from 'drizzle-orm'
import type { ask } from '../../database/askTables.ts'
import { type Claim, holdClaim } from '../../database/reconciler.ts'
import { type execution, sandbox, sessionHead, type workspace } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'
import type { Link } from '../../supervisors/link.ts'
import type { EffectDependencies } from './effects.ts'
import type { SessionLook } from './facts.ts'

type SandboxRow = typeof sandbox.$inferSelect

export type EffectScope = {
  look: SessionLook
  link: Link | null
  /**
   * Throws when the claim is no longer ours: then another look has been begun, and this result must not be written.
   * `box` is the look's sandbox as it is now.
   */
  write<T>(run: (tx: Tx, box: SandboxRow | null) => Promise<T>): Promise<T>
  /** Sends a command; one that did not arrive is handed to `again`. */
  send(what: string, run: () => Promise<unknown>, again: () => Promise<void>): Promise<void>
  /** A moment: the link may be going down, and its end will say so. */
  pause(): Promise<void>
  /** The row's command is due again, after that. */
  sendAgain(table: typeof workspace | typeof execution | typeof ask, where: ReturnType<typeof and>): Promise<void>
}

/** A command that was not taken is sent again no sooner than this. */
const againAfterMs = 1_000

export function createEffectScope(deps: EffectDependencies, claim: Claim, look: SessionLook): EffectScope {
  const { database, links, timers, logger } = deps
  const { session } = look

  async function write<T>(run: (tx: Tx, box: SandboxRow | null) => Promise<T>): Promise<T> {
    return database.transaction(async (tx) => {
      await tx.orm
        .select({ id: sessionHead.sessionId })
        .from(sessionHead)
        .where(eq(sessionHead.sessionId, session.id))
        .for('no key update')
      const [box] = look.sandbox
        ? await tx.orm.select().from(sandbox).where(eq(sandbox.id, look.sandbox.id)).for('update')
        : []
      await holdClaim(tx, 'session', claim)
      return run(tx, box ?? null)
    })
  }

  const pause = () =>
    new Promise<void>((resolve) => setTimeout(resolve, Math.min(againAfterMs, timers.reconcilerPollMs)))

  return {
    look,
    link: look.sandbox ? links.of(look.sandbox.id) : null,
    write,
    async send(what, run, again) {
      try {
        await run()
      } catch (error) {
        logger.warn(
          { sessionId: session.id, what, error: deps.redactText(session.id, String(error)) },
          'a command was not accepted',
        )
        await again()
      }
    },
    pause,
    async sendAgain(table, where) {
      await pause()
      await write(async (tx) => {
        await tx.orm.update(table).set({ sentLink: null }).where(where)
      })
    },
  }
}
