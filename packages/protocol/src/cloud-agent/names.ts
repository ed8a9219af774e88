/** How inputs name a session: `cloudAgentSessionId`, or `sessionId` as older clients do; both must agree. */
import type { z } from 'zod'
import { type SessionId, sessionIdSchema } from '../ids.ts'

export const sessionNames = { cloudAgentSessionId: sessionIdSchema.optional(), sessionId: sessionIdSchema.optional() }
export type SessionNames = { cloudAgentSessionId?: SessionId | undefined; sessionId?: SessionId | undefined }

export const namesAgree = (input: SessionNames) =>
  input.cloudAgentSessionId === undefined ||
  input.sessionId === undefined ||
  input.cloudAgentSessionId === input.sessionId
export const namesAgreeMessage = { message: 'differs from cloudAgentSessionId', path: ['sessionId'] }
export const named = (input: SessionNames) => (input.cloudAgentSessionId ?? input.sessionId) !== undefined
const namedMessage = { message: 'is required', path: ['cloudAgentSessionId'] }

/** The session that an input names; schemas guarantee that there is one. */
export function namedSession(input: SessionNames): SessionId {
  const id = input.cloudAgentSessionId ?? input.sessionId
  if (!id) throw new TypeError('the input names no session, though its schema requires one')
  return id
}

export const sessionNamed = <S extends z.ZodType<SessionNames>>(schema: S) =>
  schema.refine(namesAgree, namesAgreeMessage).refine(named, namedMessage)
