/**
 * The virtual folders by which clients say what they mean: `/cloud-agent` is everything, `/cloud-agent/sessions/<id>` one
 * session. SDKs give them as a query or as a header, some as both. Source: 31 (c) "Rules for every route".
 */

import { type AgentSessionId, agentSessionIdSchema } from '@corral/protocol'
import { decodedComponent } from '../../decodedComponent.ts'
import { type FacadeCode, FacadeRefusal } from './refusal.ts'

const everything = '/cloud-agent'
const ofSession = `${everything}/sessions/`

export const directoryOf = (id: AgentSessionId): string => ofSession + id

/** `id` is null when it has not the form of one, and so is nobody's. */
export type Directory = { kind: 'everything' } | { kind: 'session'; id: AgentSessionId | null }

/** What a client may say in a header instead. */
const headers = ['x-kilo-directory', 'x-opencode-directory']
const workspaceHeaders = ['x-kilo-workspace', 'x-opencode-workspace']

export function agentSessionIdIn(text: string): AgentSessionId | null {
  if (!/^ses_[0-9A-Za-z]{26}$/.test(text)) return null
  return agentSessionIdSchema.safeParse(text).data ?? null
}

/** What the request names; null when it names nothing. Throws with `code` for what is no such folder. */
export function readDirectory(request: Request, query: URLSearchParams, code: FacadeCode): Directory | null {
  const refuse = (sentence: string) => new FacadeRefusal(code, sentence)
  if (workspaceHeaders.some((name) => request.headers.has(name))) throw refuse('workspace: is not supported here.')
  const given = new Set(query.getAll('directory'))
  for (const name of headers) {
    const value = request.headers.get(name)
    if (value !== null) given.add(decodedComponent(value) ?? '')
  }
  if (given.size > 1) throw refuse('directory: the request names two different ones.')
  const [path] = given
  if (path === undefined) return null
  if (path === everything) return { kind: 'everything' }
  const id = path.startsWith(ofSession) ? path.slice(ofSession.length) : ''
  if (id === '' || id.includes('/')) {
    throw refuse(`directory: must be ${everything} or ${ofSession}<session id>.`)
  }
  return { kind: 'session', id: agentSessionIdIn(id) }
}
