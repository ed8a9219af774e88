/** Prompts of a session, from initiation on: queued, changed, stopped. Source: 30-cloud-agent-api §4, §6. */
import { z } from 'zod'
import { commandArguments, commandName } from '../commands.ts'
import { type AgentSessionId, type ExecutionId, executionIdSchema, type SessionId } from '../ids.ts'
import { limits } from '../limits.ts'
import { attachments } from './configuration.ts'
import { clientId, mode, model, organizationId, prompt, systemPrompt, text, token, variant } from './fields.ts'
import { sessionNamed, sessionNames } from './names.ts'

export const initiateInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    kilocodeOrganizationId: organizationId.optional(),
    githubToken: token.optional(),
  }),
)

const message = {
  mode: mode.optional(),
  model: model.optional(),
  variant: variant.optional(),
  autoCommit: z.boolean().optional(),
  condenseOnComplete: z.boolean().optional(),
  appendSystemPrompt: systemPrompt.optional(),
  githubToken: token.optional(),
  gitToken: token.optional(),
  attachments: attachments.optional(),
  clientId: clientId.optional(),
}
const messageShape = {
  ...sessionNames,
  /** Empty only with an attachment. */
  prompt: text({ min: 0, max: limits.promptCharacters }).optional(),
  /** Instead of a prompt: a command of the agent. */
  command: commandName.optional(),
  arguments: commandArguments.optional(),
  ...message,
}

type Said = {
  prompt?: string | undefined
  command?: string | undefined
  arguments?: string | undefined
  appendSystemPrompt?: string | undefined
  attachments?: unknown[] | undefined
}
/** The one rule of what a message says that a schema of single members cannot hold. */
const says = <S extends z.ZodType<Said>>(schema: S) =>
  schema
    .refine((input) => (input.prompt === undefined) !== (input.command === undefined), {
      message: 'exactly one of prompt and command is needed',
      path: ['prompt'],
    })
    .refine((input) => input.prompt !== '' || (input.attachments?.length ?? 0) > 0, {
      message: 'must have at least 1 characters, unless there is an attachment',
      path: ['prompt'],
    })
    .refine((input) => input.arguments === undefined || input.command !== undefined, {
      message: 'needs command',
      path: ['arguments'],
    })
    .refine((input) => input.command === undefined || (input.attachments?.length ?? 0) === 0, {
      message: 'are for prompts, not for commands',
      path: ['attachments'],
    })
    // An agent's interface for commands has no place for it.
    .refine((input) => input.appendSystemPrompt === undefined || input.command === undefined, {
      message: 'is for prompts, not for commands',
      path: ['appendSystemPrompt'],
    })

export const sendMessageInput = sessionNamed(says(z.strictObject(messageShape)))
export type SendMessageInput = z.infer<typeof sendMessageInput>

export const interruptSessionInput = sessionNamed(
  z.strictObject({ ...sessionNames, executionId: executionIdSchema.optional() }),
)
export const updateExecutionInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    executionId: executionIdSchema,
    prompt: prompt.optional(),
    mode: mode.optional(),
    model: model.optional(),
  }),
)
export const listCommandsInput = sessionNamed(z.strictObject({ ...sessionNames }))
export const deleteSessionInput = sessionNamed(z.strictObject({ ...sessionNames }))

export type PreparedPair = { cloudAgentSessionId: SessionId; kiloSessionId: AgentSessionId; replayed?: boolean }
export type Ack = {
  cloudAgentSessionId: SessionId
  kiloSessionId: AgentSessionId
  executionId: ExecutionId
  status: 'queued' | 'started'
  streamUrl: string
}
export type InterruptResult = {
  success: true
  killedProcessIds: []
  failedProcessIds: []
  interruptedExecutionIds: ExecutionId[]
  message: string
}
