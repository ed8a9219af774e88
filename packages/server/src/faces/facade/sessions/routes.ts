/** Sessions of the caller: listed, also by repository; one of them; and which are at work. */
import type { RepositoryPolicy } from '../../../sessions/repository.ts'
import type { Roots } from '../../../sessions/roots.ts'
import type { Projection } from '../projection.ts'
import type { Route } from '../route.ts'
import { listSessions } from './list.ts'

export function sessionRoutes(deps: {
  roots: Roots
  repositories: RepositoryPolicy
  projection: Projection
  digest(content: string): string
  beyond: boolean
}): Route[] {
  const { roots, projection } = deps
  return [
    {
      method: 'GET',
      path: '/session',
      scope: 'sessions:read',
      on: 'everything',
      directory: 'taken',
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
      async handle({ root }) {
        const figures = await roots.figures([root.id])
        return Response.json(projection.session(root, figures.get(root.id) ?? null))
      },
    },
  ]
}
