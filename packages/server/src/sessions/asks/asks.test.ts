/** Asks as rows: opened and closed through the log's own door and by people, whatever comes twice, late or at once. */
import type { ExecutionId, SessionId } from '@corral/protocol'
import { asc, eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unsentCallbacks } from '../../callbacks/testCallbacks.ts'
import { defaultTimers } from '../../config.ts'
import { ask } from '../../database/askTables.ts'
import { auditLog } from '../../database/auditTable.ts'
import { event } from '../../database/schema.ts'
import { type LogUnderTest, openLog } from '../../testing/log.ts'
import { type TestDatabase, testDatabase } from '../../testing/postgres.ts'
import { addRunningExecution } from '../../testing/runningExecution.ts'
import { settle } from '../executions/settle.ts'
import { createSink } from '../executions/sink.ts'
import { connectedState } from '../reads/connectedState.ts'
import { createAnswers } from './answers.ts'
import { alwaysAllowed } from './asks.ts'

let stored: TestDatabase
let log: LogUnderTest['log']
let database: LogUnderTest['database']
let answers: ReturnType<typeof createAnswers>
let wakes = 0

beforeAll(async () => {
  stored = await testDatabase()
  const wake = () => void wakes++
  const sink = createSink({ timers: defaultTimers, callbacks: unsentCallbacks, wake })
  ;({ log, database } = await openLog(stored.pool, { sink }))
  answers = createAnswers({ database, log, wake })
})
afterAll(async () => {
  await log.close()
  await stored[Symbol.asyncDispose]()
})

const caller = { userId: 'user-1', botId: null, internal: false }
const question = (id: string) => ({
  type: 'question.asked',
  properties: { id, sessionID: 'ses_1', questions: [{ question: 'Which?', header: 'W', options: [{ label: 'A' }] }] },
})
const permission = (id: string, always: string[] = []) => ({
  type: 'permission.asked',
  properties: { id, sessionID: 'ses_1', permission: 'bash', patterns: ['ls'], metadata: {}, always },
})

/** A session whose only execution runs, and what its supervisor and people say. */
async function running() {
  const { sessionId: session, id } = await addRunningExecution(database)
  let n = 0
  const offer = (type: string, data: unknown, executionId: ExecutionId = id) =>
    log.offer({ session, epoch: 1, from: ++n, events: [{ type, executionId, data }] })
  return {
    session,
    id,
    say: (data: unknown, executionId?: ExecutionId) => offer('kilocode', data, executionId),
    gone: (askId: string) => offer('ask_gone', { executionId: id, askId }),
    asks: () => database.orm.select().from(ask).where(eq(ask.sessionId, session)).orderBy(asc(ask.id)),
    async told() {
      const rows = await database.orm.select().from(event).where(eq(event.sessionId, session)).orderBy(asc(event.seq))
      return rows.map(({ type, data }) => {
        const { type: inner, properties } = JSON.parse(data)
        return type === 'kilocode' ? [inner, properties.by].filter(Boolean).join(' by ') : type
      })
    },
    end: () =>
      database.transaction(async (tx) => {
        await log.appendIn(
          tx,
          session,
          await settle(tx, { sessionId: session, executionId: id }, { state: 'interrupted' }, { stopped: true }),
        )
      }),
  }
}

const refusal = (reason: string) => expect.objectContaining({ reason })

describe('an ask of the agent', () => {
  test('is one row and one event, however often it is told, and is in what a viewer gets first', async () => {
    const { session, id, say, asks, told } = await running()
    await say(question('que_1'))
    await say(permission('per_1'))
    await say(question('que_1'))
    expect(await asks()).toMatchObject([
      { id: 'per_1', kind: 'permission', state: 'open', executionId: id, agentSessionId: 'ses_1', settledAt: null },
      { id: 'que_1', kind: 'question', state: 'open', deadlineMs: defaultTimers.askMs },
    ])
    expect(await told()).toEqual(['question.asked', 'permission.asked'])
    expect(await connectedState(database.orm, session)).toMatchObject({
      questions: [{ ...question('que_1').properties, executionId: id }],
      permissions: [{ ...permission('per_1').properties, executionId: id }],
    })
  })

  test('that it closes itself is answered; one that it has forgotten is withdrawn', async () => {
    const { say, gone, asks, told } = await running()
    await say(question('que_1'))
    await say(permission('per_1'))
    await say({ type: 'permission.replied', properties: { sessionID: 'ses_1', requestID: 'per_1', reply: 'always' } })
    await gone('que_1')
    expect(await asks()).toMatchObject([
      { state: 'answered', answer: { kind: 'reply', reply: 'always' }, answeredBy: null, settledAt: expect.any(Date) },
      { state: 'withdrawn', answer: null },
    ])
    expect((await told()).slice(2)).toEqual(['permission.replied by agent', 'question.rejected by agent'])
  })

  test('counts only for an execution of its own session that runs, and only fifty of them at a time', async () => {
    const other = await running()
    const { say, asks, told, end } = await running()
    await say(question('que_1'), other.id)
    expect(await asks()).toEqual([])
    for (let i = 0; i < 51; i++) await say(question(`que_${i}`))
    expect(await asks()).toHaveLength(50)
    await end()
    await say(permission('per_late'))
    expect((await asks()).filter(({ state }) => state !== 'withdrawn')).toEqual([])
    expect((await told()).at(-1)).toBe('interrupted')
  })

  test('that is very large is kept without what it carries along', async () => {
    const { say, asks } = await running()
    const { type, properties } = permission('per_1')
    await say({ type, properties: { ...properties, metadata: { diff: 'x'.repeat(300_000) } } })
    const [row] = await asks()
    expect(row?.request).toMatchObject({ id: 'per_1', permission: 'bash' })
    expect(row?.request).not.toHaveProperty('metadata')
  })

  test('of a wrong form is told as such, and is none', async () => {
    const { say, asks, told } = await running()
    await say({ type: 'question.asked', properties: { id: 'que_1', sessionID: 'ses_1', questions: [] } })
    expect(await asks()).toEqual([])
    expect(await told()).toEqual(['error'])
  })
})

describe('an answer', () => {
  const yes = { questionId: 'que_1', answers: [['A']] }

  test('closes the ask at once, with one event, an entry in the audit log, and a wake; the agent confirms it', async () => {
    const { session, say, asks, told } = await running()
    await say(question('que_1'))
    const before = wakes
    await answers.answerQuestion(caller, session, yes)
    expect(wakes).toBeGreaterThan(before)
    expect(await asks()).toMatchObject([
      { state: 'answered', answer: { kind: 'answers', answers: [['A']] }, answeredBy: 'user-1', settledAt: null },
    ])
    await say({ type: 'question.replied', properties: { sessionID: 'ses_1', requestID: 'que_1', answers: [['A']] } })
    expect(await asks()).toMatchObject([{ answeredBy: 'user-1', settledAt: expect.any(Date) }])
    expect(await told()).toEqual(['question.asked', 'question.replied by user'])
    const entries = await database.orm.select().from(auditLog).where(eq(auditLog.subject, session))
    expect(entries).toMatchObject([{ action: 'session.answered', userId: 'user-1', details: { ask: 'que_1' } }])
  })

  test('wins when it is the first of many at once; the same again succeeds, another is refused with it', async () => {
    const { session, say } = await running()
    await say(permission('per_1'))
    const replies = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? ('once' as const) : ('reject' as const)))
    const all = await Promise.allSettled(
      replies.map((reply) => answers.answerPermission(caller, session, { permissionId: 'per_1', reply })),
    )
    const won = new Set(replies.filter((_, i) => all[i]?.status === 'fulfilled'))
    expect([...won]).toHaveLength(1)
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
    for (const result of all) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ reason: 'already_answered', details: { answer: { reply: [...won][0] } } })
    }
  })

  test('that does not fit, is for the other kind, or for another session, changes nothing', async () => {
    const { session, say, asks } = await running()
    const other = await running()
    await say(question('que_1'))
    const refused = (answer: Promise<void>, reason: string) => expect(answer).rejects.toEqual(refusal(reason))
    await refused(answers.answerQuestion(caller, session, { ...yes, answers: [] }), 'invalid_input')
    await refused(
      answers.answerPermission(caller, session, { permissionId: 'que_1', reply: 'once' }),
      'permission_not_found',
    )
    await refused(answers.answerQuestion(caller, other.session, yes), 'question_not_found')
    await refused(answers.answerQuestion({ ...caller, userId: 'user-2' }, session, yes), 'session_not_found')
    expect(await asks()).toMatchObject([{ state: 'open' }])
  })

  test('comes too late for what was withdrawn with its execution', async () => {
    const { session, say, asks, told, end } = await running()
    await say(question('que_1'))
    await say(permission('per_1'))
    await answers.answerPermission(caller, session, { permissionId: 'per_1', reply: 'once' })
    await end()
    await expect(answers.answerQuestion(caller, session, yes)).rejects.toEqual(refusal('no_longer_open'))
    await answers.answerPermission(caller, session, { permissionId: 'per_1', reply: 'once' })
    expect(await asks()).toMatchObject([
      { state: 'answered', settledAt: expect.any(Date) },
      { state: 'withdrawn', settledAt: expect.any(Date) },
    ])
    expect((await told()).slice(2)).toEqual(['permission.replied by user', 'question.rejected by end', 'interrupted'])
  })

  test('for good is what the next agent of this session is told', async () => {
    const { session, say } = await running()
    await say(permission('per_1', ['ls *']))
    await say(permission('per_2', ['rm *']))
    await answers.answerPermission(caller, session, { permissionId: 'per_1', reply: 'always' })
    await answers.answerPermission(caller, session, { permissionId: 'per_2', reply: 'once' })
    expect(await allowed(session)).toEqual([{ tool: 'bash', pattern: 'ls *' }])
    expect(await allowed((await running()).session)).toEqual([])
  })
})

const allowed = (session: SessionId) => alwaysAllowed(database.orm, session)
