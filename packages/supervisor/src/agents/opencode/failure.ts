/** Why a turn failed, from the agent's own error. What the provider said is kept short; the server redacts it. */
import type { FailureReason } from '@corral/protocol'
import { z } from 'zod'
import type { AgentError } from './api.ts'

export type TurnFailure = { reason: FailureReason; message: string }

const detailSchema = z.looseObject({ message: z.string().optional(), statusCode: z.number().optional() })
const detailCharacters = 500

export function failureOf(error: AgentError | undefined): TurnFailure {
  if (!error) return { reason: 'agent_error', message: 'The agent ended the turn without an answer.' }
  const { message = '', statusCode } = detailSchema.safeParse(error.data).data ?? {}
  const said = message ? ` It said: ${message.slice(0, detailCharacters)}` : ''
  switch (error.name) {
    case 'APIError':
      if (statusCode === 402) return { reason: 'insufficient_credits', message: 'The budget is used up.' }
      return {
        reason: 'model_error',
        message: `The model ${statusCode ? `answered with HTTP ${statusCode}` : 'could not be reached'}.${said}`,
      }
    case 'ProviderAuthError':
      return { reason: 'model_error', message: `The model refused the key.${said}` }
    case 'ContextOverflowError':
      return { reason: 'agent_error', message: 'The conversation no longer fits the context of the model.' }
    case 'MessageAbortedError':
      return { reason: 'agent_error', message: 'The agent stopped its own work.' }
    default:
      return { reason: 'agent_error', message: `The agent reported an error.${said}` }
  }
}
