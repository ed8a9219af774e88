/**
 * The procedures of the cloud-agent API: who may call, which schema the input has, which function of `sessions` does
 * it. Guards run in this order: public, authenticate, internal, input; so who may not call learns nothing of inputs.
 */
import {
  CorralError,
  deleteSessionInput,
  getDiffInput,
  getMessageResultInput,
  getSessionInput,
  getTimingInput,
  initiateInput,
  interruptSessionInput,
  listSessionsInput,
  namedSession,
  prepareSessionInput,
  sendMessageInput,
  updateExecutionInput,
} from '@corral/protocol'
import { initTRPC } from '@trpc/server'
import type { Logger } from 'pino'
import type { Caller } from '../../identity/caller.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { type IdempotencyKey, withClientId } from './idempotencyKey.ts'
import { refusalOf } from './refusal.ts'
import { trpcError } from './wire.ts'

export type Context = { authenticate: () => Promise<Caller>; idempotencyKey: IdempotencyKey }
export type Health = { status: 'ok'; timestamp: number; version: string }
export type AppRouter = ReturnType<typeof createRouter>

export function createRouter(options: { sessions: Sessions; health: () => Health; logger: Logger }) {
  const { sessions, health, logger } = options
  const t = initTRPC.context<Context>().create({
    isDev: false,
    errorFormatter: ({ error, path, input }) => trpcError(refusalOf(error, { logger, path }), { path, input }),
  })

  const user = t.procedure.use(async ({ ctx, next }) => next({ ctx: { caller: await ctx.authenticate() } }))
  const internal = user.use(({ ctx, next }) => {
    if (!ctx.caller.internal) throw new CorralError('internal_key_required')
    return next()
  })

  const initiate = user
    .input(initiateInput)
    .mutation(({ ctx, input }) =>
      sessions.initiate(ctx.caller, namedSession(input), { kilocodeOrganizationId: input.kilocodeOrganizationId }),
    )

  const sendMessage = user.input(sendMessageInput).mutation(({ ctx, input }) => {
    const { cloudAgentSessionId: _, sessionId: __, ...message } = withClientId(input, ctx.idempotencyKey)
    return sessions.send(ctx.caller, namedSession(input), message)
  })

  return t.router({
    health: t.procedure.query(health),

    prepareSession: internal
      .input(prepareSessionInput)
      .mutation(({ ctx, input }) => sessions.prepare(ctx.caller, withClientId(input, ctx.idempotencyKey))),
    start: user
      .input(prepareSessionInput)
      .mutation(({ ctx, input }) => sessions.start(ctx.caller, withClientId(input, ctx.idempotencyKey))),
    initiateFromPreparedSession: initiate,
    initiateFromKilocodeSessionV2: initiate,
    sendMessage,
    sendMessageV2: sendMessage,

    updateExecution: user.input(updateExecutionInput).mutation(({ ctx, input }) => {
      const { executionId, prompt, mode, model } = input
      return sessions.updateExecution(ctx.caller, namedSession(input), { executionId, prompt, mode, model })
    }),
    interruptSession: user
      .input(interruptSessionInput)
      .mutation(({ ctx, input }) => sessions.interrupt(ctx.caller, namedSession(input), input.executionId)),
    deleteSession: user.input(deleteSessionInput).mutation(async ({ ctx, input }): Promise<{ success: true }> => {
      await sessions.remove(ctx.caller, namedSession(input))
      return { success: true }
    }),

    getSession: user
      .input(getSessionInput)
      .query(({ ctx, input }) =>
        sessions.get(
          ctx.caller,
          input.kiloSessionId ? { agentSessionId: input.kiloSessionId } : { sessionId: namedSession(input) },
        ),
      ),
    listSessions: user.input(listSessionsInput).query(({ ctx, input }) => sessions.list(ctx.caller, input)),
    getMessageResult: user
      .input(getMessageResultInput)
      .query(({ ctx, input }) => sessions.result(ctx.caller, namedSession(input), input.executionId, input.waitMs)),
    getDiff: user.input(getDiffInput).query(({ ctx, input }) => sessions.diff(ctx.caller, namedSession(input))),
    getTiming: user
      .input(getTimingInput)
      .query(({ ctx, input }) => sessions.timing(ctx.caller, namedSession(input), input.executionId)),
  })
}
