/**
 * Sessions of the caller: listed, also by repository; which are at work; made, renamed, shared, deleted; what one has to do and
 * what it has changed.
 */
import { z } from 'zod'
import type { RepositoryPolicy } from '../../../sessions/configuration/repository.ts'
import type { Roots } from '../../../sessions/reads/roots.ts'
import type { Recordings } from '../../../sessions/recorded/recordings.ts'
import type { Sessions } from '../../../sessions/sessions.ts'
import { readBody, smallBody } from '../body.ts'
import type { Projection } from '../projection.ts'
import type { Route, SessionCall } from '../route.ts'
import { createSession } from './create.ts'
import { listSessions } from './list.ts'
import { fileDiffs } from './work.ts'

const title = z.string().trim().min(1, 'must not be empty').max(200, 'must have at most 200 characters')
const changes = z.strictObject({ title })

export function sessionRoutes(deps: {
  sessions: Sessions
  roots: Roots
  recordings: Pick<Recordings, 'share' | 'unshare' | 'setTitle'>
  defaultModel: string
  repositories: RepositoryPolicy
  projection: Projection
  digest(content: string): string
  beyond: boolean
}): Route[] {
  const { sessions, roots, recordings, projection } = deps

  /** As it is now. */
  async function shown({ caller, root: { id }, request }: SessionCall): Promise<Response> {
    const [root, figures] = await Promise.all([roots.findById(caller, id), roots.figures([id])])
    return Response.json(projection.session(root, figures.get(id) ?? null, projection.originOf(request)))
  }

  return [
    {
      method: 'GET',
      path: '/session',
      scope: 'sessions:read',
      on: 'selection',
      required: null,
      parameters: ['limit', 'start', 'gitUrl'],
      beyondParameters: ['roots', 'search', 'cursor'],
      selectorCode: 'KILO_SESSION_LIST_SELECTOR_UNSUPPORTED',
      handle: listSessions(deps),
    },
    {
      method: 'GET',
      path: '/session/status',
      scope: 'sessions:read',
      on: 'selection',
      required: 'KILO_SESSION_SELECTOR_UNSUPPORTED',
      async handle({ caller, root }) {
        const busy = await roots.status(caller, root?.id)
        return Response.json(
          Object.fromEntries([...busy.values()].map(({ agentSessionId, status }) => [agentSessionId, status])),
        )
      },
    },
    {
      method: 'GET',
      path: '/session/:sessionID',
      scope: 'sessions:read',
      on: 'session',
      handle: shown,
    },
    {
      method: 'POST',
      path: '/session',
      scope: 'sessions:write',
      beyond: true,
      on: 'selection',
      required: null,
      refusals: {
        invalid_input: 'KILO_SESSION_CREATE_UNSUPPORTED',
        target_refused: 'KILO_SESSION_CREATE_UNSUPPORTED',
        organization_not_found: 'KILO_SESSION_CREATE_UNSUPPORTED',
        idempotency_mismatch: 'KILO_SESSION_CREATE_CONFLICT',
      },
      handle: createSession(deps),
    },
    {
      method: 'PATCH',
      path: '/session/:sessionID',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      async handle(call) {
        const { caller, root, request } = call
        const code = 'KILO_SESSION_UPDATE_UNSUPPORTED'
        const given = await readBody(request, { maxBytes: smallBody, schema: changes, code })
        await recordings.setTitle(caller, { sessionId: root.id }, { title: given.title, generated: false })
        return shown(call)
      },
    },
    {
      method: 'DELETE',
      path: '/session/:sessionID',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      async handle({ caller, root }) {
        await sessions.remove(caller, root.id)
        return Response.json(true)
      },
    },
    {
      method: 'POST',
      path: '/session/:sessionID/share',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      async handle(call) {
        await recordings.share(call.caller, { sessionId: call.root.id })
        return shown(call)
      },
    },
    {
      method: 'DELETE',
      path: '/session/:sessionID/share',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      async handle(call) {
        await recordings.unshare(call.caller, { sessionId: call.root.id })
        return shown(call)
      },
    },
    {
      method: 'GET',
      path: '/session/:sessionID/todo',
      scope: 'sessions:read',
      beyond: true,
      on: 'session',
      async handle({ root }) {
        const told = await roots.lastEvent(root, 'todo.updated')
        return Response.json(told ? (projection.members(root, told).todos ?? []) : [])
      },
    },
    {
      method: 'GET',
      path: '/session/:sessionID/diff',
      scope: 'sessions:read',
      beyond: true,
      on: 'session',
      handle: async ({ caller, root }) => Response.json(fileDiffs(await sessions.diff(caller, root.id))),
    },
  ]
}
