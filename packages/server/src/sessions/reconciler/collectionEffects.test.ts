import { type Checkpoint, newExecutionId, newSandboxId, type SessionId } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { checkpoint } from '../../database/checkpointTable.ts'
import { execution, sandbox, session, workspace } from '../../database/schema.ts'
import { addSession, openLog } from '../../testing/log.ts'
import { testDatabase } from '../../testing/postgres.ts'
import { roomOn } from './collectionEffects.ts'

const blob = { hash: 'a'.repeat(64), bytes: 1 }
const content: Checkpoint = {
  complete: true,
  workspace: {
    bundle: blob,
    ...{ base: null, branch: 'main', head: null, branches: [], stash: null, files: '1'.repeat(40), index: null },
  },
  history: null,
}

describe('whose workspace makes room', async () => {
  const { pool, [Symbol.asyncDispose]: drop } = await testDatabase()
  const { database } = await openLog(pool)
  const { orm } = database
  afterAll(drop)

  let idle: SessionId
  beforeEach(async () => {
    await orm.update(session).set({ state: 'deleted' })
    idle = await addSession(database)
    const sandboxId = newSandboxId()
    await orm.insert(sandbox).values({ id: sandboxId, name: sandboxId, driver: 'bubblewrap' })
    await orm.update(session).set({ state: 'open', sandboxId }).where(eq(session.id, idle))
    await orm.insert(workspace).values({ sessionId: idle, state: 'ready' })
    await orm.insert(checkpoint).values({ sessionId: idle, content, bytes: 1 })
  })

  const addExecution = (values: Partial<typeof execution.$inferInsert>) =>
    orm.insert(execution).values({
      ...{
        id: newExecutionId(),
        sessionId: idle,
        queuedSeq: 1,
        prompt: 'Mend it',
        messageId: 'msg_1',
        partId: 'prt_1',
      },
      request: { mode: 'build', model: 'scripted/demo', autoCommit: false, condenseOnComplete: false },
      ...values,
    })

  test('an idle session’s, whose checkpoint is newer than its last turn', async () => {
    const turn = { state: 'completed' as const, deliveredAt: new Date(0), endedAt: new Date(0), stoppedAt: new Date(0) }
    await addExecution(turn)
    expect(await roomOn(orm)).toBe('collectable')
  })

  test('not one without a checkpoint, or with one that lacks the last turn', async () => {
    await orm.update(checkpoint).set({ madeAt: sql`now() - interval '1 minute'` })
    const now = new Date()
    await addExecution({ state: 'completed', deliveredAt: now, endedAt: now, stoppedAt: now })
    expect(await roomOn(orm)).toBe('none')
    await orm.delete(checkpoint)
    expect(await roomOn(orm)).toBe('none')
  })

  test('not one of which something was left out', async () => {
    await orm.update(checkpoint).set({ content: { ...content, complete: false } })
    expect(await roomOn(orm)).toBe('none')
  })

  test.each([
    ['queued', {}],
    ['running', { state: 'running' as const, deliveredAt: new Date(0) }],
    ['not known to have stopped', { state: 'interrupted' as const, deliveredAt: new Date(0), endedAt: new Date(0) }],
    [
      'not finalized',
      {
        ...{ state: 'completed' as const, deliveredAt: new Date(0), endedAt: new Date(0), stoppedAt: new Date(0) },
        finalization: 'pending' as const,
      },
    ],
  ])('not one with an execution that is %s', async (_, values) => {
    await addExecution(values)
    expect(await roomOn(orm)).toBe('none')
  })

  test('not one whose sandbox is another session’s, too', async () => {
    const other = await addSession(database)
    const shared = sql`(select sandbox_id from session where id = ${idle.slice('agent_'.length)})`
    await orm.update(session).set({ state: 'open', sandboxId: shared }).where(eq(session.id, other))
    expect(await roomOn(orm)).toBe('none')
  })

  test('and while one is collected, nobody asks for another', async () => {
    await orm.update(workspace).set({ state: 'collecting' }).where(eq(workspace.sessionId, idle))
    expect(await roomOn(orm)).toBe('coming')
    await orm.update(workspace).set({ state: 'absent' }).where(eq(workspace.sessionId, idle))
    expect(await roomOn(orm)).toBe('none')
  })
})
