/**
 * One attempt to deliver a callback: a signed POST by the Standard Webhooks rules, under the outbound policy, with one
 * deadline for all of it. Follows no redirect, and believes the status alone: what the receiver says beyond it is not read.
 */
import type { CallbackKey, ExecutionId } from '@corral/protocol'
import { Webhook } from 'standardwebhooks'
import { request } from 'undici'
import { createOutboundAgent, isTargetRefused, type Resolve } from '../outbound/agent.ts'
import type { OutboundPolicy } from '../outbound/policy.ts'
import type { AttemptError, AttemptOutcome } from './decide.ts'
import type { StoredTarget } from './target.ts'

export type Attempt = {
  target: StoredTarget
  idempotencyKey: ExecutionId
  body: string
  keys: readonly CallbackKey[]
  /** 1 for the first. */
  number: number
  timeoutMs: number
  /** Aborted when the server stops; the attempt then counts as none. */
  signal: AbortSignal
}

export type SendAttempt = (attempt: Attempt) => Promise<AttemptOutcome>

export function createSendAttempt(deps: {
  outbound: OutboundPolicy
  resolve?: Resolve | undefined
  version: string
}): SendAttempt {
  return async ({ target, idempotencyKey, body, keys, number, timeoutMs, signal }) => {
    // Its own connection, closed after it: each attempt looks the name up anew, and is checked anew.
    const agent = createOutboundAgent(
      { policy: deps.outbound, ...(deps.resolve && { resolve: deps.resolve }) },
      { connectMs: timeoutMs },
    )
    const deadline = AbortSignal.timeout(timeoutMs)
    const now = new Date()
    try {
      const answer = await request(target.url, {
        method: 'POST',
        dispatcher: agent,
        signal: AbortSignal.any([deadline, signal]),
        reset: true,
        headers: {
          'user-agent': `Corral/${deps.version}`,
          ...target.headers,
          'content-type': 'application/json',
          'webhook-id': idempotencyKey,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
          'webhook-signature': keys.map(({ secret }) => new Webhook(secret).sign(idempotencyKey, now, body)).join(' '),
          'x-corral-key-id': keys.map(({ keyId }) => keyId).join(' '),
          'x-corral-attempt': String(number),
        },
        body,
      })
      answer.body.on('error', () => {}).destroy()
      return { status: answer.statusCode }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      return { error: deadline.aborted ? 'timeout' : attemptError(error) }
    } finally {
      await agent.destroy()
    }
  }
}

/** Words of our own: what the system says of an error may name addresses. */
function attemptError(error: unknown): AttemptError {
  if (isTargetRefused(error)) return 'target_refused'
  const code = codeOf(error)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'name_not_resolved'
  if (code === 'ECONNREFUSED') return 'connection_refused'
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET') return 'connection_reset'
  if (code === 'ETIMEDOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') return 'timeout'
  if (/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|EPROTO)/.test(code)) return 'tls_failed'
  return 'network_error'
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return codeOf(error.cause)
}
