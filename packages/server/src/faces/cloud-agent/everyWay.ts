/**
 * For tests: every way into the server, with what it demands of its caller, what it is about, and how to call it.
 * `authorization.test.ts` fails while a procedure or a route is not in here: add it, and it is held to the same rules
 * as all others.
 */
import {
  type AgentSessionId,
  type DeliveryId,
  type ExecutionId,
  newAgentSessionId,
  newExecutionId,
  newPtyId,
  newSessionId,
  type PtyId,
  type RefusalReason,
  type Scope,
  type SessionId,
} from '@corral/protocol'
import { type Answer, preparation, type ServedFace } from './testFace.ts'

/** What a call may name. */
export type Names = {
  sessionId: SessionId
  kiloSessionId: AgentSessionId
  executionId: ExecutionId
  questionId: string
  permissionId: string
  suggestionId: string
  deliveryId: DeliveryId
  ptyId: PtyId
  organizationId: string
}

/** Of what lies in a session: things that never were. */
export const noParts = (): Omit<Names, 'sessionId' | 'kiloSessionId' | 'organizationId'> => ({
  executionId: newExecutionId(),
  questionId: `que_${crypto.randomUUID()}`,
  permissionId: `per_${crypto.randomUUID()}`,
  suggestionId: `sug_${crypto.randomUUID()}`,
  deliveryId: `dlv_${newExecutionId().slice('exec_'.length)}`,
  ptyId: newPtyId(),
})

/** `secret`: no user calls, but somebody who knows one. */
export type Demands = 'nothing' | 'secret' | Scope | 'internal'

type About =
  /**
   * A session, which must be the caller's: `absent` is the answer when it is not there, and `within` when the session
   * is theirs, and what is named in it is not.
   */
  | { about: 'session'; absent: RefusalReason | 'success'; within?: RefusalReason }
  /** An organization, which the caller must belong to. */
  | { about: 'organization'; absent: RefusalReason }
  | { about: 'caller' }

type Row = About & { demands: Demands; input?(names: Names): unknown }
/** A route says how it is called; a procedure is known by its input. */
type RouteRow = Omit<Row, 'input'> & About & { path?(names: Names): string; body?(names: Names): unknown }

const read = { demands: 'sessions:read', about: 'session', absent: 'session_not_found' } as const
const write = { demands: 'sessions:write', about: 'session', absent: 'session_not_found' } as const
const administered = { demands: 'admin', about: 'organization', absent: 'organization_not_found' } as const
const execution = { within: 'execution_not_found' } as const
const question = { within: 'question_not_found' } as const
const session = ({ sessionId }: Names) => ({ sessionId })
const ofOrganization = ({ organizationId }: Names) => ({ kilocodeOrganizationId: organizationId })
const prepared = ({ organizationId }: Names) => ({ ...preparation, kilocodeOrganizationId: organizationId })

/** By name. An alias has a row of its own. */
export const procedures: Record<string, Row> = {
  health: { demands: 'nothing', about: 'caller' },

  prepareSession: { demands: 'internal', about: 'organization', absent: 'organization_not_found', input: prepared },
  prepareLegacySession: {
    demands: 'internal',
    about: 'organization',
    absent: 'organization_not_found',
    input: (names) => ({ ...prepared(names), sessionId: newSessionId(), kiloSessionId: newAgentSessionId() }),
  },
  updateSession: { ...write, demands: 'internal', input: ({ sessionId }) => ({ sessionId, mode: 'ask' }) },
  start: { demands: 'sessions:write', about: 'organization', absent: 'organization_not_found', input: prepared },
  initiateFromPreparedSession: { ...write, input: session },
  initiateFromKilocodeSessionV2: { ...write, input: session },
  sendMessage: { ...write, input: ({ sessionId }) => ({ sessionId, prompt: 'Hello' }) },
  sendMessageV2: { ...write, input: ({ sessionId }) => ({ sessionId, prompt: 'Hello' }) },
  updateExecution: {
    ...write,
    ...execution,
    input: ({ sessionId, executionId }) => ({ sessionId, executionId, prompt: 'Hello' }),
  },
  interruptSession: {
    ...write,
    ...execution,
    input: ({ sessionId, executionId }) => ({ sessionId, executionId }),
  },
  answerQuestion: {
    ...write,
    ...question,
    input: ({ sessionId, questionId }) => ({ sessionId, questionId, answers: [['Yes']] }),
  },
  rejectQuestion: { ...write, ...question, input: ({ sessionId, questionId }) => ({ sessionId, questionId }) },
  answerPermission: {
    ...write,
    within: 'permission_not_found',
    input: ({ sessionId, permissionId }) => ({ sessionId, permissionId, reply: 'once' }),
  },
  deleteSession: { ...write, absent: 'success', input: session },

  getSession: { ...read, input: ({ kiloSessionId }) => ({ kiloSessionId }) },
  listSessions: {
    demands: 'sessions:read',
    about: 'organization',
    absent: 'organization_not_found',
    input: ofOrganization,
  },
  getMessageResult: { ...read, ...execution, input: ({ sessionId, executionId }) => ({ sessionId, executionId }) },
  getTranscript: { ...read, input: session },
  listAsks: { ...read, input: session },
  acceptSuggestion: {
    ...write,
    within: 'suggestion_not_found',
    input: ({ sessionId, suggestionId }) => ({ sessionId, suggestionId, index: 0 }),
  },
  dismissSuggestion: {
    ...write,
    within: 'suggestion_not_found',
    input: ({ sessionId, suggestionId }) => ({ sessionId, suggestionId }),
  },
  listSuggestions: { ...read, input: session },
  listCommands: { ...read, input: session },
  getDiff: { ...read, input: session },
  listCallbacks: { ...read, input: session },
  redeliverCallback: {
    ...write,
    within: 'delivery_not_found',
    input: ({ sessionId, deliveryId }) => ({ sessionId, deliveryId }),
  },
  getCallbackKeys: { ...administered, input: ofOrganization },
  rotateCallbackKey: { ...administered, input: ofOrganization },
  getNetworkLog: { ...read, ...execution, input: ({ sessionId, executionId }) => ({ sessionId, executionId }) },
  getTiming: { ...read, ...execution, input: ({ sessionId, executionId }) => ({ sessionId, executionId }) },

  createTerminal: { ...write, input: session },
  resizeTerminal: {
    ...write,
    within: 'terminal_not_found',
    input: ({ sessionId, ptyId }) => ({ sessionId, ptyId, cols: 80, rows: 24 }),
  },
  closeTerminal: { ...write, input: ({ sessionId, ptyId }) => ({ sessionId, ptyId }) },
  listTerminals: { ...read, input: session },

  initiateSessionStream: {
    demands: 'sessions:write',
    about: 'organization',
    absent: 'organization_not_found',
    input: prepared,
  },
  initiateSessionAsync: {
    demands: 'sessions:write',
    about: 'organization',
    absent: 'organization_not_found',
    input: (names) => ({ ...prepared(names), callbackUrl: 'https://example.com/' }),
  },
  sendMessageStream: { ...write, input: ({ sessionId }) => ({ sessionId, prompt: 'Hello' }) },
  initiateFromKilocodeSession: { ...write, input: session },
  getUsage: { ...read, ...execution, input: ({ sessionId, executionId }) => ({ sessionId, executionId }) },
  getInstallation: { demands: 'sessions:read', about: 'caller', input: () => ({}) },
  listExecutions: { ...read, input: session },
  // Of what is not the caller's it says nothing.
  listSessionCosts: {
    demands: 'sessions:read',
    about: 'caller',
    input: ({ sessionId }) => ({ sessionIds: [sessionId] }),
  },
  getUsageReport: {
    demands: 'sessions:read',
    about: 'organization',
    absent: 'organization_not_found',
    input: (names) => ({ from: '2026-01-01', to: '2026-01-31', ...ofOrganization(names) }),
  },
  setBudget: { demands: 'admin', about: 'caller', input: () => ({ scope: 'user', id: 'nobody', limitUsd: 1 }) },
  listBudgets: { demands: 'admin', about: 'caller', input: () => ({}) },
  createApiKey: { demands: 'admin', about: 'caller', input: () => ({ name: 'a key' }) },
  listApiKeys: { demands: 'admin', about: 'caller', input: () => ({}) },
  revokeApiKey: { demands: 'admin', about: 'caller', input: () => ({ keyId: 'none' }) },
  createOrganization: { demands: 'admin', about: 'caller', input: () => ({ name: 'Some', slug: 'some' }) },
  listOrganizations: { demands: 'sessions:read', about: 'caller', input: () => ({}) },
  listMembers: { ...administered, input: ({ organizationId }) => ({ organizationId }) },
  addMember: { ...administered, input: ({ organizationId }) => ({ organizationId, user: 'x', role: 'member' }) },
  setMemberRole: { ...administered, input: ({ organizationId }) => ({ organizationId, user: 'x', role: 'admin' }) },
  removeMember: { ...administered, input: ({ organizationId }) => ({ organizationId, user: 'x' }) },
  linkGithubInstallation: { demands: 'admin', about: 'caller', input: () => ({ installationId: 1, user: 'x' }) },
  unlinkGithubInstallation: { demands: 'admin', about: 'caller', input: () => ({ installationId: 1, user: 'x' }) },
  listGithubInstallations: { ...administered, input: ({ organizationId }) => ({ organizationId }) },
  getProfile: { demands: 'sessions:read', about: 'caller', input: () => ({}) },
  updateProfile: { demands: 'admin', about: 'caller', input: () => ({ name: 'Some' }) },
  createUser: { demands: 'admin', about: 'caller', input: () => ({ name: 'Some', email: 'some@example.com' }) },
  removeUser: { demands: 'admin', about: 'caller', input: () => ({ user: 'nobody' }) },
  listUsers: { demands: 'admin', about: 'caller', input: () => ({}) },
  listAudit: { ...administered, input: ({ organizationId }) => ({ organizationId }) },
}

const ofRoute = (below: string, body?: object) => ({
  path: ({ kiloSessionId }: Names) => `/api/session/${kiloSessionId}${below}`,
  ...(body && { body: () => body }),
})

/** By method and path, as the server has them. */
export const routes: Record<string, RouteRow> = {
  'GET /health': { demands: 'nothing', about: 'caller' },
  'GET /openapi.json': { demands: 'nothing', about: 'caller' },
  'GET /docs/api': { demands: 'nothing', about: 'caller' },
  'POST /api/cloud-agent/sessions/prepare': {
    demands: 'sessions:write',
    about: 'organization',
    absent: 'organization_not_found',
    body: prepared,
  },
  'POST /api/cloud-agent/sessions/stream-ticket': {
    ...read,
    body: ({ sessionId }) => ({ cloudAgentSessionId: sessionId }),
  },
  'PUT /api/cloud-agent/attachments/:sha256': {
    demands: 'sessions:write',
    about: 'caller',
    path: () => `/api/cloud-agent/attachments/${'a'.repeat(64)}`,
    body: () => 'text',
  },
  'GET /api/cloud-agent/secrets-public-key': { demands: 'sessions:write', about: 'caller' },
  'GET /api/user': { demands: 'sessions:read', about: 'caller' },
  'POST /api/user/web-ticket': { demands: 'sessions:read', about: 'caller' },
  'GET /api/sessions': {
    demands: 'sessions:read',
    about: 'organization',
    absent: 'organization_not_found',
    path: ({ organizationId }) => `/api/sessions?organizationId=${organizationId}`,
  },
  'POST /api/session': {
    demands: 'sessions:write',
    about: 'caller',
    body: ({ kiloSessionId }) => ({ sessionId: kiloSessionId }),
  },
  'GET /api/session/:id': { ...read, ...ofRoute('') },
  'DELETE /api/session/:id': { ...write, ...ofRoute('') },
  'POST /api/session/:id/ingest': { ...write, ...ofRoute('/ingest', { data: [] }) },
  'GET /api/session/:id/export': { ...read, ...ofRoute('/export') },
  'GET /api/session/:id/messages': { ...read, ...ofRoute('/messages') },
  'POST /api/session/:id/share': { ...write, ...ofRoute('/share', {}) },
  'POST /api/session/:id/unshare': { ...write, ...ofRoute('/unshare', {}) },
  'POST /api/session/:id/title': { ...write, ...ofRoute('/title', { title: 'A title', generated: true }) },
  'POST /api/session/:id/rename-notify': { ...write, ...ofRoute('/rename-notify', { title: 'A title' }) },
  // Guarded by a secret of back ends, and by a signed token; see their own tests.
  'GET /internal/session/:id/export': { demands: 'secret', about: 'caller' },
  'GET /session/:shareToken': { demands: 'secret', about: 'caller' },
  'GET /session/:shareToken/metadata': { demands: 'secret', about: 'caller' },
}

type Headers = Record<string, string>
export type Way = Exclude<About, { about: 'caller' }> & {
  name: string
  demands: Demands
  call(headers: Headers, names: Names): Promise<Answer>
  /** With an input that no schema takes. */
  nonsense(headers: Headers): Promise<Answer>
}
export type OpenWay = { name: string; about: 'caller'; demands: Demands; call: Way['call']; nonsense: Way['nonsense'] }

/** `isMutation` by the router's own word. */
export function everyWay(face: ServedFace, isMutation: (procedure: string) => boolean): (Way | OpenWay)[] {
  return [
    ...Object.entries(procedures).map(([name, { input, ...row }]) => {
      const ask = isMutation(name) ? face.mutate : face.query
      return {
        ...row,
        name,
        call: (headers: Headers, names: Names) => ask(name, input?.(names), headers),
        nonsense: (headers: Headers) => ask(name, { nonsense: true }, headers),
      }
    }),
    ...Object.entries(routes).map(([name, { path, body, ...row }]) => {
      const [method = '', pattern = ''] = name.split(' ')
      const send = (to: string, headers: Headers, content: unknown) =>
        face.request(to, { method, headers, ...(method === 'GET' ? {} : { body: JSON.stringify(content) }) })
      return {
        ...row,
        name,
        call: (headers: Headers, names: Names) => send(path?.(names) ?? pattern, headers, body?.(names)),
        nonsense: (headers: Headers) => send(`${pattern}?nonsense=true`, headers, { nonsense: true }),
      }
    }),
  ]
}
