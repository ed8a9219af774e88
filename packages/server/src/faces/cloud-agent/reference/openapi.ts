/** The OpenAPI document of what is plain HTTP, from the same schemas that check the requests. */
import { attachmentTypes, refusals, restPrepareInput, streamTicketInput } from '@corral/protocol'
import { ingestPaths } from './ingestPaths.ts'
import { object, operation, text } from './operation.ts'
import type { JsonSchema } from './reference.ts'

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

const ticket = { ticket: text, expiresAt: { type: 'integer', description: 'Unix seconds.' } }

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
          ],
        }),
      },
      '/api/cloud-agent/sessions/stream-ticket': {
        post: operation({
          summary: 'A ticket for the stream of a session, or for one of its terminals: it works once, within a minute.',
          body: streamTicketInput,
          answer: object(ticket),
          refusals: ['session_not_found'],
        }),
      },
      '/api/cloud-agent/attachments/{sha256}': {
        put: operation({
          summary:
            'Upload a file for a message of the next day: UTF-8 text, a PDF, or an image (PNG, JPEG, GIF, WebP) of at most 5 MiB.',
          parameters: [
            { name: 'sha256', in: 'path', required: true, schema: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
          ],
          bytes: true,
          answer: object({ sha256: text, bytes: { type: 'integer' }, mimeType: { enum: [...attachmentTypes] } }),
          refusals: ['body_too_large'],
        }),
      },
      '/api/cloud-agent/secrets-public-key': {
        get: operation({
          summary: 'The key that encryptedSecrets are encrypted with.',
          answer: object({ publicKey: text, keyId: text }),
        }),
      },
      ...ingestPaths,
    },
  }
}
