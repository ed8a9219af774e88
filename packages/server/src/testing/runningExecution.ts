/** For tests: an execution that runs; and one of which somebody is to be told, with what its supervisor says. */
import { type ExecutionId, newExecutionId, newMessageId, newPartId, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import type { CallbackTargets } from '../callbacks/target.ts'
import { execution, session, workspace } from '../database/schema.ts'
import { addSession, type LogUnderTest } from './log.ts'

type Row = typeof execution.$inferInsert

/** The only one of a session of its own. */
export async function addRunningExecution(
  database: LogUnderTest['database'],
  changes: (id: ExecutionId) => Partial<Row> = () => ({}),
): Promise<{ sessionId: SessionId; id: ExecutionId }> {
  const id = newExecutionId()
  const sessionId = await addSession(database)
  await database.orm.insert(workspace).values({ sessionId, branch: `session/${sessionId}` })
  await database.orm.insert(execution).values({
    ...{ id, sessionId, state: 'running', queuedSeq: 1, prompt: 'Mend the test', attempt: 1, deliveredAt: new Date() },
    request: { mode: 'build', model: 'scripted/demo', autoCommit: false, condenseOnComplete: false },
    ...{ messageId: newMessageId(), partId: newPartId(), ...changes(id) },
  })
  return { sessionId, id }
}

export type RunningExecution = Awaited<ReturnType<typeof runningExecution>>

export async function runningExecution(
  { database, log, targets }: LogUnderTest & { targets: Pick<CallbackTargets, 'seal'> },
  options: { url: string; headers?: Record<string, string>; autoCommit?: boolean },
) {
  const { url, headers, autoCommit = false } = options
  const { sessionId, id } = await addRunningExecution(database, (own) => ({
    callbackTarget: targets.seal(own, { url, headers }),
    request: { mode: 'build', model: 'scripted/demo', autoCommit, condenseOnComplete: false },
  }))
  const [owner] = await database.orm.select().from(session).where(eq(session.id, sessionId))
  if (!owner) throw new Error('the session is not there')
  const { agentSessionId } = owner
  let n = 1
  const said = (type: string, properties: object) => ({
    type: 'kilocode' as const,
    executionId: id,
    data: { type, properties },
  })

  return {
    id,
    sessionId,
    agentSessionId,
    owner,
    /** What the agent said and how it ended, in one batch. `words`: it grew word by word, and was never said as a whole. */
    async end(text: string, outcome: object = { result: 'completed' }, form: 'whole' | 'words' = 'whole') {
      const of = { sessionID: agentSessionId, messageID: newMessageId() }
      const info = { id: of.messageID, sessionID: agentSessionId, role: 'assistant', time: { created: 1 } }
      const part = { id: newPartId(), ...of, type: 'text', text: form === 'whole' ? text : '' }
      const words = form === 'whole' ? [] : text.split(/(?<= )/)
      const events = [
        said('message.updated', { info }),
        said('message.part.updated', { part }),
        ...words.map((delta) => said('message.part.delta', { ...of, partID: part.id, field: 'text', delta })),
        { type: 'outcome' as const, executionId: id, data: { executionId: id, attempt: 1, begun: true, ...outcome } },
      ]
      await log.offer({ session: sessionId, epoch: 1, from: n, events })
      n += events.length
    },
    async say(...events: { type: 'finalization' | 'finalized'; data: object }[]) {
      const all = events.map((event) => ({ ...event, executionId: id }))
      await log.offer({ session: sessionId, epoch: 1, from: n, events: all })
      n += all.length
    },
  }
}
