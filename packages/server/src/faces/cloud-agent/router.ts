/**
 * The procedures of the cloud-agent API: who may call, which schema the input has, which function of `sessions` does
 * it. Who may not call learns nothing of inputs.
 */
import {
  acceptSuggestionInput,
  agentSessionIdOf,
  answerPermissionInput,
  answerQuestionInput,
  deleteSessionInput,
  dismissSuggestionInput,
  getDiffInput,
  getMessageResultInput,
  getNetworkLogInput,
  getSessionInput,
  getTimingInput,
  getTranscriptInput,
  getUsageInput,
  type initiateFromKilocodeSessionInput,
  initiateInput,
  type initiateSessionAsyncInput,
  interruptSessionInput,
  invalidInput,
  listAsksInput,
  listBudgetsInput,
  listCommandsInput,
  listSessionsInput,
  listSuggestionsInput,
  namedSession,
  prepareLegacySessionInput,
  prepareSessionInput,
  rejectQuestionInput,
  sendMessageInput,
  type sendMessageStreamInput,
  setBudgetInput,
  updateExecutionInput,
  updateSessionInput,
} from '@corral/protocol'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { Budgets } from '../../credits/budgets.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { identityProcedures } from '../identity/procedures.ts'
import { type CallbackProcedures, callbackProcedures } from './callbackProcedures.ts'
import { type StreamDependencies, streamExecution } from './executionStream.ts'
import { withClientId } from './idempotencyKey.ts'
import { type OverviewProcedures, overviewProcedures } from './overviewProcedures.ts'
import { createProcedures } from './procedures.ts'
import { type TerminalProcedures, terminalProcedures } from './terminalProcedures.ts'

export type Health = { status: 'ok'; timestamp: number; version: string }
export type AppRouter = ReturnType<typeof createRouter>

export function createRouter(options: {
  sessions: Sessions
  callbacks: CallbackProcedures['callbacks']
  identity: Pick<Identity, 'administration' | 'standings'>
  log: StreamDependencies['log']
  budgets: Budgets
  terminals: TerminalProcedures
  installation: OverviewProcedures['installation']
  health: () => Health
  logger: Logger
}) {
  const { sessions, identity, log, budgets, health, logger } = options
  const kinds = createProcedures({ logger })
  const { router, open, reads, writes, internal, administers } = kinds

  const initiate = writes.input(initiateInput).mutation(({ ctx, input }) =>
    sessions.initiate(ctx.caller, namedSession(input), {
      kilocodeOrganizationId: input.kilocodeOrganizationId,
      githubToken: input.githubToken,
    }),
  )

  const sendMessage = writes.input(sendMessageInput).mutation(({ ctx, input }) => {
    const { cloudAgentSessionId: _, sessionId: __, ...message } = withClientId(input, ctx.idempotencyKey)
    return sessions.send(ctx.caller, namedSession(input), message)
  })

  /** What is refused has been refused in front of tRPC; see `deprecatedNames.ts`. */
  const stream = <Input>() =>
    writes.input(z.custom<Input>()).subscription(async function* ({ ctx, signal }) {
      if (!ctx.stream || !signal) throw invalidInput('request', 'must be a GET of this one stream')
      yield* streamExecution({ log, sessions, standings: identity.standings }, ctx.stream, signal)
    })

  return router({
    health: open.query(health),

    prepareSession: internal
      .input(prepareSessionInput)
      .mutation(({ ctx, input }) => sessions.prepare(ctx.caller, withClientId(input, ctx.idempotencyKey))),
    prepareLegacySession: internal.input(prepareLegacySessionInput).mutation(async ({ ctx, input }) => {
      const { cloudAgentSessionId: _, sessionId: __, kiloSessionId, ...configuration } = input
      const pair = await sessions.prepareLinked(ctx.caller, withClientId(configuration, ctx.idempotencyKey), {
        id: namedSession(input),
        agentSessionId: agentSessionIdOf(kiloSessionId),
      })
      // As it was sent: a bare UUID is this session's name where it comes from.
      return { ...pair, kiloSessionId }
    }),
    updateSession: internal.input(updateSessionInput).mutation(({ ctx, input }) => {
      const { cloudAgentSessionId: _, sessionId: __, expectedVersion, ...patch } = input
      return sessions.update(ctx.caller, namedSession(input), patch, expectedVersion)
    }),
    start: writes
      .input(prepareSessionInput)
      .mutation(({ ctx, input }) => sessions.start(ctx.caller, withClientId(input, ctx.idempotencyKey))),
    initiateFromPreparedSession: initiate,
    initiateFromKilocodeSessionV2: initiate,
    sendMessage,
    sendMessageV2: sendMessage,

    updateExecution: writes.input(updateExecutionInput).mutation(({ ctx, input }) => {
      const { executionId, prompt, mode, model } = input
      return sessions.updateExecution(ctx.caller, namedSession(input), { executionId, prompt, mode, model })
    }),
    interruptSession: writes
      .input(interruptSessionInput)
      .mutation(({ ctx, input }) => sessions.interrupt(ctx.caller, namedSession(input), input.executionId)),
    answerQuestion: writes.input(answerQuestionInput).mutation(async ({ ctx, input }): Promise<{ success: true }> => {
      const { questionId, answers } = input
      await sessions.answerQuestion(ctx.caller, namedSession(input), { questionId, answers })
      return { success: true }
    }),
    rejectQuestion: writes.input(rejectQuestionInput).mutation(async ({ ctx, input }): Promise<{ success: true }> => {
      await sessions.rejectQuestion(ctx.caller, namedSession(input), input.questionId)
      return { success: true }
    }),
    answerPermission: writes
      .input(answerPermissionInput)
      .mutation(async ({ ctx, input }): Promise<{ success: true }> => {
        const { permissionId, reply, message } = input
        await sessions.answerPermission(ctx.caller, namedSession(input), { permissionId, reply, message })
        return { success: true }
      }),
    acceptSuggestion: writes.input(acceptSuggestionInput).mutation(({ ctx, input }) =>
      sessions.acceptSuggestion(ctx.caller, namedSession(input), {
        suggestionId: input.suggestionId,
        index: input.index,
      }),
    ),
    dismissSuggestion: writes
      .input(dismissSuggestionInput)
      .mutation(async ({ ctx, input }): Promise<{ success: true }> => {
        await sessions.dismissSuggestion(ctx.caller, namedSession(input), input.suggestionId)
        return { success: true }
      }),
    deleteSession: writes.input(deleteSessionInput).mutation(async ({ ctx, input }): Promise<{ success: true }> => {
      await sessions.remove(ctx.caller, namedSession(input))
      return { success: true }
    }),

    getSession: reads
      .input(getSessionInput)
      .query(({ ctx, input }) =>
        sessions.get(
          ctx.caller,
          input.kiloSessionId ? { agentSessionId: input.kiloSessionId } : { sessionId: namedSession(input) },
        ),
      ),
    listSessions: reads.input(listSessionsInput).query(({ ctx, input }) => sessions.list(ctx.caller, input)),
    getMessageResult: reads
      .input(getMessageResultInput)
      .query(({ ctx, input }) => sessions.result(ctx.caller, namedSession(input), input.executionId, input.waitMs)),
    getTranscript: reads.input(getTranscriptInput).query(({ ctx, input }) => {
      const { limit, before, agentSessionId } = input
      return sessions.transcript(ctx.caller, namedSession(input), { limit, before, agentSessionId })
    }),
    listAsks: reads
      .input(listAsksInput)
      .query(async ({ ctx, input }) => ({ asks: await sessions.asks(ctx.caller, namedSession(input), input.state) })),
    listSuggestions: reads.input(listSuggestionsInput).query(async ({ ctx, input }) => ({
      suggestions: await sessions.suggestions(ctx.caller, namedSession(input), input.state),
    })),
    listCommands: reads
      .input(listCommandsInput)
      .query(async ({ ctx, input }) => ({ commands: await sessions.commands(ctx.caller, namedSession(input)) })),
    getDiff: reads.input(getDiffInput).query(({ ctx, input }) => sessions.diff(ctx.caller, namedSession(input))),
    getUsage: reads
      .input(getUsageInput)
      .query(({ ctx, input }) => sessions.usage(ctx.caller, namedSession(input), input.executionId)),
    getTiming: reads
      .input(getTimingInput)
      .query(({ ctx, input }) => sessions.timing(ctx.caller, namedSession(input), input.executionId)),

    initiateSessionStream: stream<z.input<typeof prepareSessionInput>>(),
    initiateSessionAsync: stream<z.input<typeof initiateSessionAsyncInput>>(),
    sendMessageStream: stream<z.input<typeof sendMessageStreamInput>>(),
    initiateFromKilocodeSession: stream<z.input<typeof initiateFromKilocodeSessionInput>>(),

    setBudget: administers.input(setBudgetInput).mutation(({ ctx, input }) => budgets.set(ctx.caller, input)),
    listBudgets: administers.input(listBudgetsInput).query(({ ctx }) => budgets.list(ctx.caller)),

    ...identityProcedures(kinds, identity.administration, sessions),
    ...overviewProcedures(kinds, options),
    ...callbackProcedures(kinds, options),
    ...terminalProcedures(kinds, options.terminals),
    getNetworkLog: reads
      .input(getNetworkLogInput)
      .query(({ ctx, input }) => sessions.networkLog(ctx.caller, namedSession(input), input)),
  })
}
