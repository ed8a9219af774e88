/** What agents offer to do next; accepting queues it like any message. Source: 31 (c) "Questions, permissions, suggestions". */
import { z } from 'zod'
import type { Roots } from '../../../sessions/reads/roots.ts'
import type { Sessions } from '../../../sessions/sessions.ts'
import { answerBody, readBody } from '../body.ts'
import type { Projection } from '../projection.ts'
import { FacadeRefusal, type RefusalCodes } from '../refusal.ts'
import type { Route, SelectingCall } from '../route.ts'

const code = 'KILO_INTERACTION_BODY_INVALID'
const notFound = 'KILO_INTERACTION_REQUEST_NOT_FOUND'
const refusals = {
  suggestion_not_found: notFound,
  no_longer_open: notFound,
  already_answered: 'KILO_INTERACTION_ANSWERED',
  invalid_input: code,
} as const satisfies RefusalCodes

const required = 'KILO_SESSION_SELECTOR_UNSUPPORTED'
const accepted = z.strictObject({ index: z.number().int().min(0) })

export function suggestionRoutes(deps: { sessions: Sessions; roots: Roots; projection: Projection }): Route[] {
  const { sessions, roots, projection } = deps

  async function found({ caller, params, root: only }: SelectingCall) {
    const suggestionId = params.get('requestID') ?? ''
    const named = await roots.findSuggestion(caller, suggestionId, only?.id)
    if (!named) throw new FacadeRefusal(notFound, 'There is no such request in this session.')
    return { id: named.root.id, suggestionId }
  }

  return [
    {
      on: 'selection',
      required,
      method: 'GET',
      path: '/suggestion',
      scope: 'sessions:read',
      async handle({ caller, root }) {
        const open = await roots.suggestions(caller, root?.id)
        return Response.json(open.map((one) => projection.members(one.root, one.request)))
      },
    },
    {
      on: 'selection',
      required,
      method: 'POST',
      path: '/suggestion/:requestID/accept',
      scope: 'sessions:write',
      refusals,
      async handle(call) {
        const { id, suggestionId } = await found(call)
        const { index } = await readBody(call.request, { maxBytes: answerBody, schema: accepted, code })
        await sessions.acceptSuggestion(call.caller, id, { suggestionId, index })
        return Response.json(true)
      },
    },
    {
      on: 'selection',
      required,
      method: 'POST',
      path: '/suggestion/:requestID/dismiss',
      scope: 'sessions:write',
      refusals,
      async handle(call) {
        const { id, suggestionId } = await found(call)
        await sessions.dismissSuggestion(call.caller, id, suggestionId)
        return Response.json(true)
      },
    },
  ]
}
