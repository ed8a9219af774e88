/** What makes a session work, and what stops it. */
import type { Route } from '../route.ts'
import { blockingPrompt } from './blocking.ts'
import { promptRefusals, readPrompt } from './prompt.ts'

export function promptRoutes(deps: Parameters<typeof blockingPrompt>[0]): Route[] {
  const { sessions, beyond } = deps
  return [
    {
      method: 'POST',
      path: '/session/:sessionID/prompt_async',
      scope: 'sessions:write',
      on: 'session',
      refusals: promptRefusals,
      async handle({ caller, root, request }) {
        const { input, ids } = await readPrompt(request, beyond)
        await sessions.send(caller, root.id, input, ids)
        return new Response(null, { status: 204 })
      },
    },
    {
      method: 'POST',
      path: '/session/:sessionID/message',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      refusals: promptRefusals,
      handle: blockingPrompt(deps),
    },
    {
      method: 'POST',
      path: '/session/:sessionID/abort',
      scope: 'sessions:write',
      on: 'session',
      async handle({ caller, root }) {
        await sessions.interrupt(caller, root.id)
        return Response.json(true)
      },
    },
  ]
}
