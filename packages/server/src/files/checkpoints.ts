/**
 * The newest checkpoint of each session: a row that describes it, and its blobs. Invariants: a row names only blobs that
 * are there; a sandbox reads and writes those of the sessions that it has now and of no others; a session that was
 * deleted gets nothing any more. Source: 20-sandbox-gateway "What is in a sandbox".
 */
import { blobsOf, type Checkpoint, type SandboxId, type SessionId } from '@corral/protocol'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { checkpoint } from '../database/checkpointTable.ts'
import { sandbox, session } from '../database/schema.ts'
import type { Database, Orm } from '../database/transaction.ts'
import type { Blobs } from './blobs.ts'

/** One life of a sandbox. */
export type SandboxLife = { sandboxId: SandboxId; bootId: string }

export type Checkpoints = {
  /** Whether this sandbox works for the session now. */
  has(life: SandboxLife, id: SessionId): Promise<boolean>
  /** Takes the place of the one before, whose blobs go. */
  record(life: SandboxLife, id: SessionId, content: Checkpoint): Promise<'recorded' | 'incomplete' | 'not_yours'>
  of(id: SessionId): Promise<Checkpoint | null>
  remove(id: SessionId): Promise<void>
}

export function createCheckpoints({ database, blobs }: { database: Database; blobs: Blobs }): Checkpoints {
  return {
    has: (life, id) => worksFor(database.orm, life, id),

    async record(life, id, content) {
      for (const { hash, bytes } of blobsOf(content)) {
        if ((await blobs.bytesOf(id, hash)) !== bytes) return 'incomplete'
      }
      const bytes = blobsOf(content).reduce((sum, blob) => sum + blob.bytes, 0)
      const recorded = await database.transaction(async (tx) => {
        // Deletion changes this row, so one of the two comes first.
        const [row] = await tx.orm.select({ id: session.id }).from(session).where(eq(session.id, id)).for('share')
        if (!row || !(await worksFor(tx.orm, life, id))) return false
        await tx.orm
          .insert(checkpoint)
          .values({ sessionId: id, content, bytes })
          .onConflictDoUpdate({ target: checkpoint.sessionId, set: { content, bytes, madeAt: sql`now()` } })
        return true
      })
      if (!recorded) return 'not_yours'
      await blobs.keepOnly(
        id,
        blobsOf(content).map(({ hash }) => hash),
      )
      return 'recorded'
    },

    async of(id) {
      const [row] = await database.orm
        .select({ content: checkpoint.content })
        .from(checkpoint)
        .where(eq(checkpoint.sessionId, id))
      return row?.content ?? null
    },

    async remove(id) {
      // The row last: as long as it is there, this is done again.
      await blobs.removeAll(id)
      await database.transaction((tx) => tx.orm.delete(checkpoint).where(eq(checkpoint.sessionId, id)))
    },
  }
}

async function worksFor(orm: Orm, { sandboxId, bootId }: SandboxLife, id: SessionId): Promise<boolean> {
  const [row] = await orm
    .select({ id: session.id })
    .from(session)
    .innerJoin(sandbox, eq(sandbox.id, session.sandboxId))
    .where(
      and(
        eq(session.id, id),
        inArray(session.state, ['prepared', 'open']),
        eq(sandbox.id, sandboxId),
        eq(sandbox.bootId, bootId),
      ),
    )
  return row !== undefined
}
