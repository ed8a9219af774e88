/** For tests: an execution that runs, and whose end somebody is owed a callback for; what its supervisor says goes into the log. */
import { newExecutionId, newMessageId, newPartId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import type { CallbackTargets } from '../callbacks/target.ts'
import { execution, session, workspace } from '../database/schema.ts'
import type { LogUnderTest } from './log.ts'
import { addSession } from './log.ts'

export type RunningExecution = Awaited<ReturnType<typeof runningExecution>>

export async function runningExecution(
  { database, log, targets }: LogUnderTest & { targets: Pick<CallbackTargets, 'seal'> },
  options: { url: string; headers?: Record<string, string>; autoCommit?: boolean },
) {
  const { url, headers, autoCommit = false } = options
  const id = newExecutionId()
  const sessionId = await addSession(database)
  const [owner] = await database.orm.select().from(session).where(eq(session.id, sessionId))
  if (!owner) throw new Error('the session is not there')
  const { agentSessionId } = owner
  await database.orm.insert(workspace).values({ sessionId, branch: `session/${sessionId}` })
  await database.orm.insert(execution).values({
    id,
    sessionId,
    state: 'running',
    queuedSeq: 1,
    prompt: 'Mend the test',
    request: { mode: 'build', model: 'scripted/demo', autoCommit, condenseOnComplete: false },
    messageId: newMessageId(),
    partId: newPartId(),
    attempt: 1,
    deliveredAt: new Date(),
    callbackTarget: targets.seal(id, { url, headers }),
  })
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
