/** Every type of event, with each of its fields missing or of another kind, over a real link into a real log. */
import { type EventsFrame, upSchemas, type vocabulary } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { output, testLinks } from '../testing/supervisor.ts'

type Raw = EventsFrame['events'][number]

const executionId = 'exec_01ARZ3NDEKTSV4RRFFQ69G5FAV'
const ofTurn = { executionId, attempt: 1 }
const ids = { sessionID: 'ses_1', messageID: 'msg_1', partID: 'prt_1' }
const question = {
  id: 'que_1',
  sessionID: 'ses_1',
  questions: [{ question: 'Which?', header: 'Q', options: [{ label: 'a', description: 'b' }] }],
}
const permission = { id: 'per_1', sessionID: 'ses_1', permission: 'bash', patterns: ['ls'], always: [], metadata: {} }

/** Of the agents' vocabulary: what is looked into, as it should be. */
const words: Record<keyof typeof vocabulary, object> = {
  'message.updated': { info: { id: 'msg_1', sessionID: 'ses_1', role: 'assistant', time: { created: 1 } } },
  'message.removed': ids,
  'message.part.updated': { part: { id: 'prt_1', sessionID: 'ses_1', messageID: 'msg_1', type: 'text', text: 'x' } },
  'message.part.delta': { ...ids, field: 'text', delta: 'x' },
  'message.part.removed': ids,
  'session.status': { sessionID: 'ses_1', status: { type: 'busy' } },
  'session.updated': { info: { id: 'ses_1' } },
  'question.asked': question,
  'question.replied': { sessionID: 'ses_1', requestID: 'que_1', answers: [['a']] },
  'question.rejected': { sessionID: 'ses_1', requestID: 'que_1' },
  'permission.asked': permission,
  'permission.replied': { sessionID: 'ses_1', requestID: 'per_1', reply: 'once' },
  'suggestion.shown': { id: 'sug_1', sessionID: 'ses_1', text: 'x', actions: [{ label: 'x', prompt: 'x' }] },
  'suggestion.accepted': { sessionID: 'ses_1', requestID: 'sug_1', index: 0 },
  'suggestion.dismissed': { sessionID: 'ses_1', requestID: 'sug_1' },
}

/** Of every type that a supervisor may send, as it should be. */
const whole: Record<keyof typeof upSchemas, object[]> = {
  kilocode: Object.entries(words).map(([type, properties]) => ({ type, properties })),
  status: [{ message: 'x', step: 'clone', stepId: 's', attempt: 1, state: 'ok', durationMs: 1, level: 'warning' }],
  output: [{ content: 'x', source: 'stdout' }],
  error: [{ error: 'x', details: {} }],
  finalization: [{ kind: 'commit', success: true }],
  file_sync: [{}],
  acp: [{}],
  commands: [{ commands: [{ name: 'review', description: 'x', hints: ['$1'] }] }],
  events_dropped: [{ count: 1 }],
  prepared: [
    { ok: true, attempt: 1, branch: 'b', baseCommit: 'c', reused: false },
    { ok: false, attempt: 1, reason: 'clone_failed', message: 'x' },
  ],
  accepted: [ofTurn],
  started: [ofTurn],
  outcome: [
    { ...ofTurn, result: 'completed', begun: true, agentRuns: true, workspace: { branch: 'b', head: 'c', diff: null } },
  ],
  stopped: [{ ...ofTurn, agentRuns: true }],
  warmed: [{ agentRuns: true }],
  ask_gone: [{ executionId, askId: 'que_1' }],
  finalized: [{ executionId }],
}

const strange = [undefined, null, true, -1, 1.5, 2 ** 60, '', '\u0000', 'x'.repeat(5_000), [], [null], {}, { type: 1 }]

/** Each field at each depth replaced by each strange value; undefined takes it away. */
function* spoiled(value: object): Generator<object> {
  for (const [name, inner] of Object.entries(value)) {
    for (const other of strange) yield { ...value, [name]: other }
    if (typeof inner === 'object' && inner !== null)
      for (const deeper of spoiled(inner))
        yield { ...value, [name]: Array.isArray(inner) ? Object.values(deeper) : deeper }
  }
}

describe('an event that is malformed', async () => {
  const world = await testLinks()
  afterAll(() => world[Symbol.asyncDispose]())

  test.each(Object.keys(upSchemas) as (keyof typeof upSchemas)[])(
    '%s: takes a number, ends nothing, and is followed by the next one',
    async (type) => {
      const { token, bootId, session } = await world.addSandbox()
      const peer = await world.connect(token)
      peer.hello({ bootId })
      await peer.welcomed()
      const running = await world.addRunning(session)
      const events: Raw[] = whole[type].flatMap((data) => [...spoiled(data)].map((spoilt) => ({ type, data: spoilt })))
      events.push(...strange.map((data) => ({ type, data })))
      // Not even the frame around it is as it should be.
      events.push({ type, executionId: 5 } as never, { type: null, data: {} } as never, {} as never)
      // Which no event may be about: another execution, and none at all.
      events.push(...whole[type].map((data) => ({ type, executionId: 'exec_nobody', data })))

      let n = 0
      for (let at = 0; at < events.length; at += 100) {
        const some = [...events.slice(at, at + 100), output(`behind ${at}`)]
        peer.events(session, n + 1, some)
        n += some.length
        await peer.acked(session, n)
      }
      expect(peer.isOpen()).toBe(true)
      expect(await world.executionOf(running)).toMatchObject({ state: 'running' })
      const behind = (await world.stored(session)).filter(({ data }) => data.includes('behind '))
      expect(behind).toHaveLength(Math.ceil(events.length / 100))
    },
  )

  test('as it should be, each of them is taken, so that what is spoiled above was whole', () => {
    for (const [type, samples] of Object.entries(whole)) {
      const schema = upSchemas[type as keyof typeof upSchemas]
      for (const sample of samples)
        expect(schema.safeParse(sample).error?.issues, JSON.stringify(sample)).toBeUndefined()
    }
  })
})
