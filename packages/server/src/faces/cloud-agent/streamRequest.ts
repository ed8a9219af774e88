/**
 * What a viewer asks of `/stream`, read from its upgrade request. Nothing is ignored: a parameter that is unknown,
 * repeated, malformed or contradicts another is refused, for a filter that silently does not filter is worse than an
 * error. The ticket is only found here; whether it is good is asked later. Source: 30-cloud-agent-api §8, §9.
 */
import type { IncomingHttpHeaders } from 'node:http'
import {
  type ExecutionId,
  executionIdSchema,
  type SessionId,
  sessionIdSchema,
  streamEventTypes,
} from '@corral/protocol'
import { z } from 'zod'
import type { Filters } from '../../log/filters.ts'

export const streamSubprotocol = 'corral.v1'
const ticketSubprotocol = 'corral.ticket.'

export type StreamRequest = {
  session: SessionId
  ticket: string | null
  /** Exclusive; null: no replay. */
  after: number | null
  filters: Filters
  executionIds: readonly ExecutionId[]
  batch: boolean
}

/** An answer instead of the upgrade. */
export type StreamRefusal = { status: number; error: string; message: string; parameter?: string }

export type ReadStreamRequest = { ok: true; request: StreamRequest } | { ok: false; refusal: StreamRefusal }

const maxExecutionIds = 50
const latestDate = 8.64e15

const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).transform((text) => text === 'true')
const rfc3339 = z.iso.datetime({ offset: true })
const time = z.string().transform((text, context) => {
  const ms = /^\d+$/.test(text) ? Number(text) : rfc3339.safeParse(text).success ? Date.parse(text) : Number.NaN
  if (ms <= latestDate) return new Date(ms)
  context.addIssue('must be Unix milliseconds, or an RFC 3339 time with a zone (its + sent as %2B)')
  return z.NEVER
})
const list = <T extends z.ZodType<unknown, string>>(item: T) =>
  z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(item))

const parametersSchema = z
  .strictObject({
    cloudAgentSessionId: sessionIdSchema,
    ticket: z.string().min(1).optional(),
    fromId: z
      .string()
      .regex(/^\d{1,15}$/, 'must be an integer of 0 or more')
      .transform(Number)
      .optional(),
    eventTypes: list(z.enum(streamEventTypes)).optional(),
    executionIds: list(executionIdSchema)
      .refine((ids) => ids.length <= maxExecutionIds, `holds more than ${maxExecutionIds} ids`)
      .optional(),
    startTime: time.optional(),
    endTime: time.optional(),
    replay: flag.default(true),
    batch: flag.default(false),
  })
  .refine(({ replay, fromId }) => replay || fromId === undefined, {
    path: ['replay'],
    message: 'is false, which contradicts fromId',
  })
  .refine(({ startTime, endTime }) => !startTime || !endTime || startTime <= endTime, {
    path: ['endTime'],
    message: 'is before startTime',
  })

export function readStreamRequest(search: URLSearchParams, headers: IncomingHttpHeaders): ReadStreamRequest {
  const handshake = checkHandshake(headers)
  if (handshake) return { ok: false, refusal: handshake }
  for (const name of new Set(search.keys())) {
    if (search.getAll(name).length > 1) return invalid(name, 'is given more than once')
  }
  if (!search.has('cloudAgentSessionId')) return invalid('cloudAgentSessionId', 'is missing')
  const parsed = parametersSchema.safeParse(Object.fromEntries(search))
  if (!parsed.success) return invalid(...whatIsWrong(parsed.error))
  const { data } = parsed

  const offered = offeredProtocols(headers)
  if (offered === null) return invalid('Sec-WebSocket-Protocol', 'is not a list of distinct names')
  const tickets = offered.filter((name) => name.startsWith(ticketSubprotocol))
  if (tickets.length > 1) return invalid('ticket', 'is given more than once')
  const [carried] = tickets
  if (carried !== undefined && data.ticket !== undefined) return invalid('ticket', 'is given in two ways')
  if (carried !== undefined && !offered.includes(streamSubprotocol)) {
    return invalid('Sec-WebSocket-Protocol', `needs ${streamSubprotocol} beside the ticket`)
  }

  const { eventTypes: types, executionIds, startTime: from, endTime: to } = data
  return {
    ok: true,
    request: {
      session: data.cloudAgentSessionId,
      ticket: data.ticket ?? carried?.slice(ticketSubprotocol.length) ?? null,
      after: data.replay ? (data.fromId ?? 0) : null,
      filters: { types, executionIds, from, to },
      executionIds: executionIds ?? [],
      batch: data.batch,
    },
  }
}

export const upgradeRequired: StreamRefusal = {
  status: 426,
  error: 'upgrade_required',
  message: 'This address speaks WebSocket only.',
}

export const invalidParameter = (parameter: string, message: string): StreamRefusal => ({
  status: 400,
  error: 'invalid_parameter',
  message: `${parameter}: ${message}.`,
  parameter,
})
const invalid = (parameter: string, message: string) => ({
  ok: false as const,
  refusal: invalidParameter(parameter, message),
})

/** All that could make the upgrade fail after the ticket has been used up. */
function checkHandshake(headers: IncomingHttpHeaders): StreamRefusal | null {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return upgradeRequired
  if (headers['sec-websocket-version'] !== '13') return invalidParameter('Sec-WebSocket-Version', 'must be 13')
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    return invalidParameter('Sec-WebSocket-Key', 'must be 16 bytes in base64')
  }
  return null
}

function offeredProtocols(headers: IncomingHttpHeaders): string[] | null {
  const header = headers['sec-websocket-protocol']
  if (header === undefined) return []
  const names = header.split(',').map((name) => name.trim())
  const wellFormed = names.every((name) => /^[\w!#$%&'*+\-.^`|~]+$/.test(name))
  return wellFormed && new Set(names).size === names.length ? names : null
}

function whatIsWrong({ issues: [issue] }: z.ZodError): [parameter: string, message: string] {
  if (issue?.code === 'unrecognized_keys') return [issue.keys[0] ?? '', 'is no parameter of this address']
  return [String(issue?.path[0] ?? ''), issue?.message ?? 'is not valid']
}
