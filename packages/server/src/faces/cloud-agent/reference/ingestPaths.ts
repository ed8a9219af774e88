/** The routes of `faces/ingest` in the OpenAPI document. */
import {
  createPushedSessionInput,
  exportInput,
  listRowsInput,
  messagePageInput,
  pushInput,
  renameNotifyInput,
  titleInput,
} from '@corral/protocol'
import { object, operation, text } from './operation.ts'
import { type JsonSchema, jsonSchemaOf } from './reference.ts'

const integer = { type: 'integer' }
const boolean = { type: 'boolean' }
const nullable = (schema: JsonSchema) => ({ anyOf: [schema, { type: 'null' }] })
const list = (items: JsonSchema) => ({ type: 'array', items })
const success = object({ success: { const: true } })
const document = object({ info: { type: 'object' }, messages: list({ type: 'object' }) })

const row = object({
  ...{ sessionId: text, cloudAgentSessionId: text, createdAt: integer, updatedAt: integer, title: text },
  ...{ createdOnPlatform: text, organizationId: nullable(text), gitUrl: nullable(text), gitBranch: nullable(text) },
  ...{ parentSessionId: nullable(text), status: nullable(text), statusUpdatedAt: nullable(integer), agentKind: text },
  revision: { ...integer, description: 'Rises with every change.' },
})

const id = { name: 'id', in: 'path', required: true, schema: text, description: 'ses_…, or agent_…' }
const shareToken = { name: 'shareToken', in: 'path', required: true, schema: text }

/** Members of an input that travels in the query. */
const query = (schema: JsonSchema) =>
  Object.entries(schema.properties ?? {}).map(([name, own]) => ({ name, in: 'query', schema: own }))

const ofSession = ['invalid_session_id', 'session_not_found'] as const

export const ingestPaths = {
  '/api/user': {
    get: operation({ summary: 'Who calls.', answer: object({ id: text, email: text, name: text }) }),
  },
  '/api/user/web-ticket': {
    post: operation({
      summary: 'A ticket for the metadata feed: it works once, within a minute.',
      answer: object({ ticket: text, expiresAt: { ...integer, description: 'Unix seconds.' } }),
    }),
  },
  '/api/sessions': {
    get: operation({
      summary: 'Sessions, whatever runs them, newest activity first.',
      parameters: query(jsonSchemaOf(listRowsInput)),
      answer: object({ sessions: list(row), nextCursor: nullable(text) }),
      refusals: ['organization_not_found'],
    }),
  },
  '/api/session': {
    post: operation({
      summary: 'Create a session of an agent that runs elsewhere; again is the same.',
      body: createPushedSessionInput,
      answer: object({ id: text, ingestPath: text }),
      refusals: [...ofSession, 'body_too_large'],
    }),
  },
  '/api/session/{id}': {
    get: operation({ summary: 'One session.', parameters: [id], answer: row, refusals: [...ofSession] }),
    delete: operation({
      summary: 'Delete a session with its children.',
      parameters: [id],
      answer: success,
      refusals: [...ofSession],
    }),
  },
  '/api/session/{id}/ingest': {
    post: operation({
      summary: 'Push items of a session that runs elsewhere: at most 10,000, and 32 MiB.',
      parameters: [id, { name: 'v', in: 'query', schema: integer, description: 'Form of the items; 2 now.' }],
      body: pushInput,
      answer: object({
        success: { const: true },
        accepted: integer,
        unchanged: { ...integer, description: 'Equal to what is stored, or older.' },
        skipped: list(object({ index: integer, reason: text })),
      }),
      refusals: [...ofSession, 'session_moved_to_cloud', 'body_too_large', 'too_many_pushes'],
    }),
  },
  '/api/session/{id}/export': {
    get: operation({
      summary: 'A session in the form of OpenCode’s own export, streamed; X-Corral-Seq names its last event.',
      parameters: [id, ...query(jsonSchemaOf(exportInput))],
      answer: document,
      refusals: [...ofSession],
    }),
  },
  '/api/session/{id}/messages': {
    get: operation({
      summary: 'Messages page by page, backwards from the newest.',
      parameters: [id, ...query(jsonSchemaOf(messagePageInput))],
      answer: object({
        success: { const: true },
        kiloSessionId: text,
        history: object({
          messages: list({ type: 'object' }),
          nextCursor: nullable(text),
          omittedItemCount: { ...integer, description: 'Messages that alone are larger than a page.' },
        }),
      }),
      refusals: [...ofSession],
    }),
  },
  '/api/session/{id}/share': {
    post: operation({
      summary: 'A link under which anybody may read the session; the same one until it is unshared.',
      parameters: [id],
      answer: object({ success: { const: true }, share_token: text, public_id: text, url: text }),
      refusals: [...ofSession],
    }),
  },
  '/api/session/{id}/unshare': {
    post: operation({
      summary: 'End every link that was given before.',
      parameters: [id],
      answer: success,
      refusals: [...ofSession],
    }),
  },
  '/api/session/{id}/title': {
    post: operation({
      summary: 'Name a session; a generated title takes the place only of none or of a default one.',
      parameters: [id],
      body: titleInput,
      answer: object({ title: text, applied: boolean }),
      refusals: [...ofSession],
    }),
  },
  '/api/session/{id}/rename-notify': {
    post: operation({
      summary: 'Tell a running agent of this session its title.',
      parameters: [id],
      body: renameNotifyInput,
      answer: object({ delivered: boolean }),
      refusals: [...ofSession],
    }),
  },
  '/internal/session/{id}/export': {
    get: operation({
      summary: 'The export for our own back ends: X-Internal-Secret and X-Kilo-User-Id.',
      parameters: [id, ...query(jsonSchemaOf(exportInput))],
      answer: document,
      refusals: [...ofSession, 'internal_key_required'],
    }),
  },
  '/session/{shareToken}': {
    get: operation({ summary: 'A shared session.', open: true, parameters: [shareToken], answer: document }),
  },
  '/session/{shareToken}/metadata': {
    get: operation({
      summary: 'What a shared session is called, and whose it is.',
      open: true,
      parameters: [shareToken],
      answer: object({ title: text, ownerName: text }),
    }),
  },
}
