/**
 * Every row of the table of refusals, provoked: what a client sees of it is the tRPC code, the HTTP status and the reason.
 * The numbers are written out here, as clients have them in their code. Source: 30-cloud-agent-api §2.
 */
import { type RefusalReason, refusals, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { afterAll, describe, expect, test } from 'vitest'
import { ask } from '../../database/askTables.ts'
import { connect } from '../../database/connect.ts'
import { execution, session } from '../../database/schema.ts'
import { createDatabase } from '../../database/transaction.ts'
import { identityOn, internalApiSecret, quietLogger } from '../../identity/testIdentity.ts'
import { type Answer, bearer, preparation, type ServedFace, serveFace, testFace } from './testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { database, operator } = face
const user = bearer(operator.apiKey)
const backEnd = { ...user, 'x-internal-api-key': internalApiSecret }

type Prepared = { cloudAgentSessionId: SessionId }
const dataOf = (answer: Answer) => (answer.json as { result: { data: Prepared } }).result.data

async function prepared(more: object = {}): Promise<Prepared> {
  const answer = await face.mutate('prepareSession', { ...preparation, ...more }, backEnd)
  expect(answer.status, answer.text).toBe(200)
  const { cloudAgentSessionId } = dataOf(answer)
  return { cloudAgentSessionId }
}
const initiate = (input: Prepared) => face.mutate('initiateFromPreparedSession', input, user)
const send = (input: object) => face.mutate('sendMessage', { prompt: 'Go on', ...input }, user)
async function begun(): Promise<Prepared> {
  const id = await prepared()
  expect((await initiate(id)).status).toBe(200)
  return id
}

/** A session with a question that is answered, and a permission that nobody wants any more. */
async function withAsks() {
  const id = await begun()
  const [{ id: executionId } = { id: '' }] = await database.orm
    .select({ id: execution.id })
    .from(execution)
    .where(eq(execution.sessionId, id.cloudAgentSessionId))
  const common = { sessionId: id.cloudAgentSessionId, executionId: executionId as `exec_${string}`, deadlineMs: 1 }
  const questions = [
    {
      question: 'Which?',
      header: 'Which',
      options: [
        { label: 'this', description: '' },
        { label: 'that', description: '' },
      ],
    },
  ]
  const closed = { agentSessionId: 'ses_1', closedAt: new Date(), settledAt: new Date() }
  await database.orm.insert(ask).values([
    {
      ...common,
      ...closed,
      id: 'que_1',
      kind: 'question',
      request: { id: 'que_1', sessionID: 'ses_1', questions },
      state: 'answered',
      answer: { kind: 'answers', answers: [['this']] },
    },
    { ...common, ...closed, id: 'per_1', kind: 'permission', request: { permission: 'bash' }, state: 'withdrawn' },
  ])
  return id
}

async function withoutDatabase(call: (away: ServedFace) => Promise<Answer>): Promise<Answer> {
  const gone = createDatabase({ pool: connect('postgresql://nobody@localhost/none?host=/nowhere'), term: () => 1 })
  await using away = await serveFace({ database: gone, identity: identityOn(gone), logger: quietLogger })
  return await call(away)
}

const absent = { cloudAgentSessionId: 'agent_00000000-0000-4000-8000-000000000000' }

const rows: [RefusalReason, number, string, () => Promise<Answer>][] = [
  ['invalid_input', 400, 'BAD_REQUEST', () => face.mutate('start', { ...preparation, prompt: '' }, user)],
  [
    'balance_bypass_refused',
    400,
    'BAD_REQUEST',
    () => face.mutate('start', preparation, { ...user, 'x-skip-balance-check': 'true' }),
  ],
  [
    'target_refused',
    400,
    'BAD_REQUEST',
    () => face.mutate('start', { ...preparation, callbackTarget: { url: 'https://169.254.169.254/' } }, user),
  ],
  ['unauthorized', 401, 'UNAUTHORIZED', () => face.mutate('start', preparation, bearer('nobody'))],
  ['internal_key_required', 401, 'UNAUTHORIZED', () => face.mutate('prepareSession', preparation, user)],
  [
    'insufficient_credits',
    402,
    'PAYMENT_REQUIRED',
    async () => {
      const id = await prepared()
      const scope = { scope: 'session', id: id.cloudAgentSessionId }
      expect((await face.mutate('setBudget', { ...scope, limitUsd: 0.5 }, user)).status).toBe(200)
      return initiate(id)
    },
  ],
  ['session_not_found', 404, 'NOT_FOUND', () => face.query('getSession', absent, user)],
  [
    'execution_not_found',
    404,
    'NOT_FOUND',
    async () => face.query('getMessageResult', { ...(await begun()), executionId: `exec_${'0'.repeat(26)}` }, user),
  ],
  [
    'question_not_found',
    404,
    'NOT_FOUND',
    async () => face.mutate('rejectQuestion', { ...(await begun()), questionId: 'que_0' }, user),
  ],
  [
    'suggestion_not_found',
    404,
    'NOT_FOUND',
    async () => face.mutate('dismissSuggestion', { ...(await begun()), suggestionId: 'sug_0' }, user),
  ],
  [
    'permission_not_found',
    404,
    'NOT_FOUND',
    async () => face.mutate('answerPermission', { ...(await begun()), permissionId: 'per_0', reply: 'once' }, user),
  ],
  [
    'delivery_not_found',
    404,
    'NOT_FOUND',
    async () => face.mutate('redeliverCallback', { ...(await begun()), deliveryId: 'dlv_0' }, user),
  ],
  [
    'organization_not_found',
    404,
    'NOT_FOUND',
    () => face.query('listSessions', { kilocodeOrganizationId: 'none' }, user),
  ],
  [
    'idempotency_mismatch',
    409,
    'CONFLICT',
    async () => {
      const id = await begun()
      expect((await send({ ...id, clientId: 'once' })).status).toBe(200)
      return send({ ...id, clientId: 'once', prompt: 'Something else' })
    },
  ],
  [
    'already_initiated',
    409,
    'CONFLICT',
    async () => face.mutate('updateSession', { ...(await begun()), mode: 'ask' }, backEnd),
  ],
  [
    'version_conflict',
    409,
    'CONFLICT',
    async () => face.mutate('updateSession', { ...(await prepared()), mode: 'ask', expectedVersion: 7 }, backEnd),
  ],
  [
    'already_answered',
    409,
    'CONFLICT',
    async () =>
      face.mutate('answerQuestion', { ...(await withAsks()), questionId: 'que_1', answers: [['that']] }, user),
  ],
  [
    'no_longer_open',
    409,
    'CONFLICT',
    async () => face.mutate('answerPermission', { ...(await withAsks()), permissionId: 'per_1', reply: 'once' }, user),
  ],
  [
    'not_prepared',
    412,
    'PRECONDITION_FAILED',
    async () => {
      const id = await prepared()
      await database.orm.update(session).set({ state: 'unprepared' }).where(eq(session.id, id.cloudAgentSessionId))
      return initiate(id)
    },
  ],
  ['not_initiated', 412, 'PRECONDITION_FAILED', async () => send(await prepared())],
  [
    'body_too_large',
    413,
    'PAYLOAD_TOO_LARGE',
    () => face.mutate('start', { ...preparation, prompt: 'x'.repeat(5 * 1024 * 1024) }, user),
  ],
  [
    'queue_full',
    429,
    'TOO_MANY_REQUESTS',
    async () => {
      const id = await begun()
      // The first message is one of the ten.
      for (let i = 1; i < 10; i++) expect((await send(id)).status).toBe(200)
      return send(id)
    },
  ],
  [
    'internal',
    500,
    'INTERNAL_SERVER_ERROR',
    async () => {
      await database.pool.query('alter table workspace rename to workspace_gone')
      const answer = await face.mutate('start', preparation, user)
      await database.pool.query('alter table workspace_gone rename to workspace')
      return answer
    },
  ],
  ['sandbox_not_running', 412, 'PRECONDITION_FAILED', async () => face.mutate('createTerminal', await begun(), user)],
  [
    'terminal_not_found',
    404,
    'NOT_FOUND',
    async () => face.mutate('resizeTerminal', { ...(await begun()), ptyId: 'none', cols: 80, rows: 24 }, user),
  ],
  ['unavailable', 503, 'SERVICE_UNAVAILABLE', () => withoutDatabase((away) => away.mutate('start', preparation, user))],
]

/** Rows of sessions that are pushed (`faces/ingest/`), users, organizations and keys (`faces/identity/`), and of names that are no procedure. */
const elsewhere: RefusalReason[] = [
  ...(['invalid_session_id', 'session_moved_to_cloud', 'too_many_pushes'] as const),
  // What a sandbox refuses (`terminals/`).
  ...(['too_many_terminals', 'not_implemented'] as const),
  ...(['insufficient_scope', 'role_required', 'operator_required', 'user_not_found', 'member_not_found'] as const),
  ...(['key_not_found', 'already_exists', 'last_owner', 'procedure_not_found'] as const),
]

describe('a refusal', () => {
  test.each(rows)('%s is %i %s', async (reason, httpStatus, code, provoke) => {
    const answer = await provoke()
    expect(answer.status, answer.text).toBe(httpStatus)
    expect(answer.refusal).toMatchObject({ reason, httpStatus, code })
    const sentence = answer.refusal?.sentence ?? ''
    expect(sentence).toMatch(/^.{10,400}\.$/)
    // Of nothing that is inside: no SQL, no path of the server, no stack.
    expect(answer.text).not.toMatch(/\b(select|insert|update|relation|constraint)\b.*\b(from|into|set|table)\b/i)
    expect(answer.text).not.toMatch(/\.ts\b|node_modules|\/packages\/|\n\s+at /)
  })

  test('of every reason is shown here or where its subject is', () => {
    const shown = [...rows.map(([reason]) => reason), ...elsewhere]
    expect(Object.keys(refusals).filter((reason) => !shown.some((known) => known === reason))).toEqual([])
  })
})
