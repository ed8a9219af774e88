/**
 * What holds of a session whatever was killed: the promise "nothing is lost", as anybody can check it who has the
 * database, a viewer, the agent's own files and git.
 */
import type { Envelope, ExecutionId, SessionExport } from '@corral/protocol'
import { emptyTranscript, logEventOf, orderedMessages, reduce } from '@corral/transcript'
import { expect } from 'vitest'
import { agentExport } from '../harness/agentExport.ts'
import { eventually } from '../harness/eventually.ts'
import { executionsOn } from '../harness/repositories.ts'
import { endingOf, follow } from '../harness/viewer.ts'
import { compactedIn } from './compacted.ts'
import { bootMs, type Conversation } from './conversation.ts'
import type { EventRow, ExecutionRow } from './records.ts'

/** How each execution ended, in the order in which they were sent: a state, or a failure's reason. */
type Ends = Record<ExecutionId, string>

/** `agents`: how many may be left running in its sandbox, which may be shared. */
export async function expectKept(conversation: Conversation, ends: Ends, agents = 1): Promise<void> {
  const executions = await expectWhole(conversation, agents)
  expect(Object.fromEntries(executions.map(({ id, state, reason }) => [id, reason ?? state]))).toEqual(ends)
}

/** However its executions ended, which are returned in FIFO order. */
async function expectWhole(conversation: Conversation, agents: number): Promise<ExecutionRow[]> {
  const { corral, session, records, viewer } = conversation
  await expectOver(conversation, agents)
  const last = (await records.events(session)).at(-1)?.seq ?? 0
  const joined = follow(corral.corral, session)
  await joined.until('the last event for who joins now', ({ eventId }) => eventId >= last)
  joined.close()
  await viewer.until('the last event for who was there', ({ eventId }) => eventId >= last)
  const rows = await records.events(session)
  const compacted = compactedIn(rows)
  expectNumbers(rows, compacted)

  const executions = await records.executions(session)
  const endings = rows.filter((row) => row.ends).map(({ executionId }) => executionId)
  expect(endings, 'one ending event each, in FIFO order').toEqual(executions.map(({ id }) => id))

  const still = (events: Envelope[]) => events.filter(({ eventId }) => eventId <= last && !compacted.has(eventId))
  expect(still(viewer.events), 'who was there and who joins now see the same').toEqual(still(joined.events))
  const shown = new Set(viewer.events.map(({ eventId }) => eventId))
  expect(
    upTo(last).filter((seq) => !shown.has(seq) && !compacted.has(seq)),
    'missed by who was there',
  ).toEqual([])
  expect([...shown], 'in order, none twice').toEqual(viewer.events.map(({ eventId }) => eventId).sort((a, b) => a - b))
  expect(viewer.events.filter((event) => endingOf(event)).map(({ executionId }) => executionId)).toEqual(endings)

  const { messages } = await corral.corral.exportSession(session)
  for (const { events } of [viewer, joined]) {
    const made = orderedMessages(reduce(emptyTranscript, events.map(logEventOf)))
    expect(made.map(({ message, parts }) => ({ info: message.info, parts }))).toEqual(messages)
  }
  return executions
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

/** Numbers from 1 without a gap; of each life of a spool, its numbers once and in order. */
function expectNumbers(rows: EventRow[], compacted: Set<number>): void {
  const numbers = [...rows.map(({ seq }) => seq), ...compacted].sort((a, b) => a - b)
  expect(numbers).toEqual(upTo(rows.at(-1)?.seq ?? 0))
  const origins = rows.filter(({ n }) => n !== null).map(({ epoch, n }) => ({ epoch: epoch ?? 0, n: n ?? 0 }))
  // One word from below may have become several events, directly behind each other, or none.
  for (const [i, { epoch, n }] of origins.entries()) {
    const before = origins[i - 1] ?? { epoch: 0, n: 0 }
    expect(epoch > before.epoch || (epoch === before.epoch && n >= before.n), `${epoch}/${n}`).toBe(true)
  }
}

/** Nothing runs, waits or is to be pushed any more, and nothing is left behind in the sandbox or at a gate. */
async function expectOver({ session, records, inside, model }: Conversation, most: number): Promise<void> {
  await eventually('the end of all executions', bootMs, async () => {
    const executions = await records.executions(session)
    const over = executions.every(
      ({ state, stopped, finalization }) =>
        !['queued', 'running'].includes(state) && stopped && finalization !== 'pending',
    )
    return over || null
  })
  await eventually('the end of what the agent had started', 6_000, async () => {
    const { tools, agents } = await inside()
    return (tools.length === 0 && agents.length <= most) || null
  })
  expect((await (await model()).gates()).filter(({ waiting }) => waiting > 0)).toEqual([])
}

/**
 * The conversation is word for word that of the agent's own files, as far as it was handed to the agent. In ours a
 * message stands where it was sent, which may be before the end of the answer to the one before; the agent has it where
 * it was told. Of a text that the agent did not bring to its end
 * they have nothing, while the log has what was seen of it; so these are compared without their text.
 */
export async function expectAgentsOwn({ corral, session, agentSessionId }: Conversation): Promise<void> {
  const ours = await corral.corral.exportSession(session)
  const theirs = await agentExport(corral, { session, agentSessionId, agent: 'opencode' })
  const known = new Set(theirs.messages.map(({ info }) => info.id))
  const handed = ours.messages.filter(({ info }) => known.has(info.id))
  expect(withoutUnended(byTurn(handed))).toEqual(withoutUnended(byTurn(theirs.messages)))
  const withheld = ours.messages.filter(({ info }) => !known.has(info.id))
  expect(withheld.filter(({ info }) => info.role !== 'user')).toEqual([])
}

/** Each message of the user, and behind it what answers it. */
function byTurn(messages: SessionExport['messages']): SessionExport['messages'] {
  const asked = messages.filter(({ info }) => info.role === 'user')
  return asked.flatMap((message) => [message, ...messages.filter(({ info }) => info.parentID === message.info.id)])
}

const withoutUnended = (messages: SessionExport['messages']) =>
  messages.map(({ info, parts }) => ({ info, parts: parts.map((part) => (isUnended(part) ? { id: part.id } : part)) }))

function isUnended({ type, time }: Record<string, unknown>): boolean {
  const ended = typeof time === 'object' && time !== null && 'end' in time
  return (type === 'text' || type === 'reasoning') && time !== undefined && !ended
}

/** The text that the transcript has of an execution's answer. */
export function answerOf({ viewer }: Conversation, executionId: ExecutionId): string {
  return orderedMessages(reduce(emptyTranscript, viewer.events.map(logEventOf)))
    .filter(({ message }) => message.executionId === executionId && message.info.role === 'assistant')
    .flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])))
    .join('\n')
}

/** Who kills in the middle of a text waits until it is seen: what the agent has not told yet dies with it. */
export const seen = (conversation: Conversation, executionId: ExecutionId, text: string): Promise<unknown> =>
  eventually(`"${text}" to be seen`, 10_000, () => answerOf(conversation, executionId).endsWith(text) || null)

/** The executions whose work is on the pushed branch, oldest first, as plain git tells it. */
export const commitsOf = ({ repository, session }: Conversation): Promise<string[]> => executionsOn(repository, session)
