/** The OpenAPI document of what is plain HTTP, from the same schemas that check the requests. */
import { type RefusalReason, refusals, restPrepareInput, streamTicketInput } from '@corral/protocol'
import type { z } from 'zod'
import { type JsonSchema, jsonSchemaOf } from './reference.ts'

const problem = {
  type: 'object',
  required: ['type', 'status', 'detail', 'reason', 'error', 'retryable'],
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'For people: what is wrong, and what to do.' },
    reason: { enum: Object.keys(refusals) },
    error: { type: 'string', description: 'The same as reason.' },
    details: { description: 'Of invalid_input: [{path, message}].' },
    retryable: { type: 'boolean' },
  },
} satisfies JsonSchema

const json = (schema: JsonSchema) => ({ 'application/json': { schema } })
const text = { type: 'string' }
const object = (properties: Record<string, JsonSchema>, optional: string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
})
const ticket = { ticket: text, expiresAt: { type: 'integer', description: 'Unix seconds.' } }
const everywhere: RefusalReason[] = ['invalid_input', 'unauthorized', 'insufficient_scope', 'internal', 'unavailable']

function operation(options: {
  summary: string
  body?: z.ZodType
  answer: JsonSchema
  refusals?: RefusalReason[]
  open?: true
  parameters?: JsonSchema[]
}) {
  const reasons = options.open ? [] : [...everywhere, ...(options.refusals ?? [])]
  const byStatus = Map.groupBy(reasons, (reason) => refusals[reason].httpStatus)
  return {
    summary: options.summary,
    ...(options.open ? { security: [] } : {}),
    ...(options.parameters ? { parameters: options.parameters } : {}),
    ...(options.body ? { requestBody: { required: true, content: json(jsonSchemaOf(options.body)) } } : {}),
    responses: {
      200: { description: 'Done.', content: json(options.answer) },
      ...Object.fromEntries(
        [...byStatus].map(([status, of]) => [
          status,
          {
            description: of.join(', '),
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        ]),
      ),
    },
  }
}

export function openApiDocument(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Corral',
      version,
      description: 'What is plain HTTP. The procedures at /trpc are in the reference at /docs/api.',
    },
    security: [{ bearer: [] }],
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a signed token.' } },
      schemas: { Problem: problem },
    },
    paths: {
      '/health': {
        get: operation({
          summary: 'The process lives.',
          open: true,
          answer: object({ status: { const: 'ok' }, timestamp: { type: 'integer' }, version: text }),
        }),
      },
      '/api/cloud-agent/sessions/prepare': {
        post: operation({
          summary: 'Prepare a session, and get a ticket for its stream.',
          parameters: [{ name: 'Idempotency-Key', in: 'header', schema: { type: 'string', maxLength: 128 } }],
          body: restPrepareInput,
          answer: object({ cloudAgentSessionId: text, kiloSessionId: text, replayed: { type: 'boolean' }, ...ticket }, [
            'replayed',
          ]),
          refusals: [
            'target_refused',
            'insufficient_credits',
            'organization_not_found',
            'idempotency_mismatch',
            'body_too_large',
            'not_implemented',
          ],
        }),
      },
      '/api/cloud-agent/sessions/stream-ticket': {
        post: operation({
          summary: 'A ticket for the stream of a session: it works once, within a minute.',
          body: streamTicketInput,
          answer: object(ticket),
          refusals: ['session_not_found'],
        }),
      },
      '/api/cloud-agent/secrets-public-key': {
        get: operation({
          summary: 'The key that encryptedSecrets are encrypted with.',
          answer: object({ publicKey: text, keyId: text }),
        }),
      },
      '/api/session/{id}/export': {
        get: operation({
          summary: 'A session in the form of OpenCode’s own export.',
          parameters: [{ name: 'id', in: 'path', required: true, schema: text, description: 'agent_… or ses_…' }],
          answer: object({ info: { type: 'object' }, messages: { type: 'array', items: { type: 'object' } } }),
          refusals: ['session_not_found'],
        }),
      },
    },
  }
}
