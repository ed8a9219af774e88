/** One route in the form of OpenAPI, with the refusals that it can give. */
import { type RefusalReason, refusals } from '@corral/protocol'
import type { z } from 'zod'
import { type JsonSchema, jsonSchemaOf } from './reference.ts'

const json = (schema: JsonSchema) => ({ 'application/json': { schema } })
export const text = { type: 'string' }
export const object = (properties: Record<string, JsonSchema>, optional: string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
})
const everywhere: RefusalReason[] = ['invalid_input', 'unauthorized', 'insufficient_scope', 'internal', 'unavailable']

export function operation(options: {
  summary: string
  body?: z.ZodType
  /** The body is a file as it is. */
  bytes?: true
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
    ...(options.bytes ? { requestBody: { required: true, content: { 'application/octet-stream': {} } } } : {}),
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
