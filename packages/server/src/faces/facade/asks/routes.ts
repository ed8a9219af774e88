/**
 * What agents ask, and answers to it; also of sub-agents, under their root. An answer is recorded and handed over once the
 * link is there, so no state of a sandbox shows here. Source: 31 (c) "Questions, permissions, suggestions".
 */
import { type AskKind, permissionReplies } from '@corral/protocol'
import { z } from 'zod'
import type { RootAsk, Roots } from '../../../sessions/reads/roots.ts'
import type { Sessions } from '../../../sessions/sessions.ts'
import { answerBody, readBody } from '../body.ts'
import type { Projection } from '../projection.ts'
import { FacadeRefusal, type RefusalCodes } from '../refusal.ts'
import type { Route, SelectingCall } from '../route.ts'

const code = 'KILO_INTERACTION_BODY_INVALID'
const notFound = 'KILO_INTERACTION_REQUEST_NOT_FOUND'

const refusals = {
  question_not_found: notFound,
  permission_not_found: notFound,
  no_longer_open: notFound,
  already_answered: 'KILO_INTERACTION_ANSWERED',
  invalid_input: code,
} as const satisfies RefusalCodes

const message = z.string().max(2_000, 'must have at most 2000 characters').optional()
const patterns = z.array(z.string().max(1_000)).max(100, 'must have at most 100 patterns').default([])
const answers = z.strictObject({ answers: z.array(z.array(z.string().max(10_000)).max(100)).max(100) })
/** `interactive` says how a client came to its answer, which is nothing to us. */
const reply = z.strictObject({ reply: z.enum(permissionReplies), message, interactive: z.boolean().optional() })
const response = z.strictObject({ response: z.enum(permissionReplies) })
const alwaysRules = z.strictObject({ approvedAlways: patterns, deniedAlways: patterns })

const required = 'KILO_SESSION_SELECTOR_UNSUPPORTED'

export function askRoutes(deps: { sessions: Sessions; roots: Roots; projection: Projection }): Route[] {
  const { sessions, roots, projection } = deps

  const list = (kind: AskKind): Route => ({
    on: 'selection',
    required,
    method: 'GET',
    path: `/${kind}`,
    scope: 'sessions:read',
    async handle({ caller, root }) {
      const open = await roots.asks(caller, kind, root?.id)
      return Response.json(open.map((ask) => projection.members(ask.root, ask.request)))
    },
  })

  /** An answer to the ask that the path names: looked up before anything else is looked at. */
  const answering = (
    kind: AskKind,
    way: string,
    answer: (call: SelectingCall, ask: Named) => Promise<void>,
  ): Route => ({
    on: 'selection',
    required,
    method: 'POST',
    path: `/${kind}/:requestID/${way}`,
    scope: 'sessions:write',
    refusals,
    async handle(call) {
      const askId = call.params.get('requestID') ?? ''
      const found = await roots.findAsk(call.caller, { kind, askId }, call.root?.id)
      if (!found) throw unknownRequest()
      await answer(call, { ...found, askId })
      return Response.json(true)
    },
  })

  return [
    list('question'),
    list('permission'),
    answering('question', 'reply', async ({ caller, request }, { root, askId }) => {
      const given = await readBody(request, { maxBytes: answerBody, schema: answers, code })
      await sessions.answerQuestion(caller, root.id, { questionId: askId, answers: given.answers })
    }),
    answering('question', 'reject', ({ caller }, { root, askId }) => sessions.rejectQuestion(caller, root.id, askId)),
    answering('permission', 'reply', async ({ caller, request }, { root, askId }) => {
      const given = await readBody(request, { maxBytes: answerBody, schema: reply, code })
      const { interactive: _, ...answer } = given
      await sessions.answerPermission(caller, root.id, { permissionId: askId, ...answer })
    }),
    answering('permission', 'always-rules', async ({ caller, request }, ask) => {
      const given = await readBody(request, { maxBytes: answerBody, schema: alwaysRules, code })
      await sessions.addPermissionRules(caller, ask.root.id, {
        permissionId: ask.askId,
        allowed: given.approvedAlways.map((pattern) => offered(ask, pattern)),
        denied: given.deniedAlways.map((pattern) => offered(ask, pattern)),
      })
    }),
    {
      method: 'POST',
      path: '/session/:sessionID/permissions/:requestID',
      scope: 'sessions:write',
      beyond: true,
      on: 'session',
      refusals,
      async handle({ caller, root, params, request }) {
        const askId = params.get('requestID') ?? ''
        if (!(await roots.findAsk(caller, { kind: 'permission', askId }, root.id))) throw unknownRequest()
        const given = await readBody(request, { maxBytes: answerBody, schema: response, code })
        await sessions.answerPermission(caller, root.id, { permissionId: askId, reply: given.response })
        return Response.json(true)
      },
    },
  ]

  /** The pattern that is shown as this one. */
  function offered({ root, request }: RootAsk, pattern: string): string {
    const [own, shown] = [request.always, projection.members(root, request).always]
    const at = Array.isArray(shown) ? shown.indexOf(pattern) : -1
    const found: unknown = Array.isArray(own) ? own[at] : undefined
    return typeof found === 'string' ? found : pattern
  }
}

type Named = RootAsk & { askId: string }

const unknownRequest = () => new FacadeRefusal(notFound, 'There is no such request in this session.')
