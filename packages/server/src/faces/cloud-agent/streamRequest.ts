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
import { checkHandshake, invalidParameter, offeredTicket, type UpgradeRefusal } from '../webSocketUpgrade.ts'

export type StreamRequest = {
  session: SessionId
  ticket: string | null
  /** Exclusive; null: no replay. */
  after: number | null
  filters: Filters
  executionIds: readonly ExecutionId[]
  batch: boolean
}

export type ReadStreamRequest = { ok: true; request: StreamRequest } | { ok: false; refusal: UpgradeRefusal }

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

  const carried = offeredTicket(headers, data.ticket)
  if ('refusal' in carried) return { ok: false, refusal: carried.refusal }

  const { eventTypes: types, executionIds, startTime: from, endTime: to } = data
  return {
    ok: true,
    request: {
      session: data.cloudAgentSessionId,
      ticket: carried.ticket,
      after: data.replay ? (data.fromId ?? 0) : null,
      filters: { types, executionIds, from, to },
      executionIds: executionIds ?? [],
      batch: data.batch,
    },
  }
}

const invalid = (parameter: string, message: string) => ({
  ok: false as const,
  refusal: invalidParameter(parameter, message),
})

function whatIsWrong({ issues: [issue] }: z.ZodError): [parameter: string, message: string] {
  if (issue?.code === 'unrecognized_keys') return [issue.keys[0] ?? '', 'is no parameter of this address']
  return [String(issue?.path[0] ?? ''), issue?.message ?? 'is not valid']
}
