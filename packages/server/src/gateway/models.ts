/**
 * Models: `/v1/chat/completions`, `/v1/responses`, `/v1/messages`, and the list of the session's models.
 * Invariants: only the session's models are called, another one only before the first byte of an answer; the row of a call
 * is on disk before the call is made; no prompt and no answer is stored or logged.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PassedOver } from '@corral/protocol'
import type { Logger } from 'pino'
import type { Dispatcher } from 'undici'
import { costUsd, priceOf } from '../credits/prices.ts'
import { answerJson, refuseModelCall } from './answers.ts'
import type { CallFace } from './callServer.ts'
import { type Candidate, candidatesOf, fallbackHeaders } from './fallback.ts'
import type { Grant, Grants } from './grants.ts'
import type { ModelCall, ModelCalls } from './modelCalls.ts'
import { clientSignal, readBody } from './passThrough.ts'
import type { RateLimits } from './rateLimits.ts'
import { callUpstream, type UpstreamResult } from './upstreamCall.ts'
import type { Upstream, Upstreams, Wire } from './upstreams.ts'
import type { Usage } from './usage.ts'
import { answerWarmUp, asksForWarmUp } from './warmUp.ts'

type Endpoint = { wire: Wire; path: string /** Makes tokens, and so has a row. */; generates: boolean }

const endpoints: Readonly<Record<string, Endpoint>> = {
  '/v1/chat/completions': { wire: 'openai-chat', path: '/chat/completions', generates: true },
  '/v1/responses': { wire: 'openai-responses', path: '/responses', generates: true },
  '/v1/messages': { wire: 'anthropic', path: '/messages', generates: true },
  '/v1/messages/count_tokens': { wire: 'anthropic', path: '/messages/count_tokens', generates: false },
}

const maxBodyMiB = 32

type Decision =
  | { kind: 'refused'; status: number; sentence: string; grant?: Grant; retryAfterS?: number }
  | { kind: 'warmUp'; grant: Grant }
  | { kind: 'admitted'; grant: Grant; candidates: [Candidate, ...Candidate[]] }

export function createModels(deps: {
  grants: Grants
  upstreams: Upstreams
  modelCalls: ModelCalls
  rateLimits: RateLimits
  dispatcher: Dispatcher
  log: Pick<Logger, 'info'>
}): CallFace {
  const { grants, upstreams, modelCalls, rateLimits, dispatcher, log } = deps

  async function list(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await grants.of(request.headers, clientSignal(response))
    if (answer.kind === 'refused') return refuseModelCall(response, 'openai-chat', answer.status, answer.sentence)
    const data = answer.grant.models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'corral' }))
    answerJson(response, 200, { object: 'list', data })
  }

  async function call(request: IncomingMessage, response: ServerResponse, endpoint: Endpoint, query: string) {
    const began = performance.now()
    const { wire } = endpoint
    const signal = clientSignal(response)
    const decision = await decide(request, endpoint, signal)
    const who = { sessionId: decision.grant?.sessionId, userId: decision.grant?.userId, wire }
    const ms = () => Math.round(performance.now() - began)
    if (decision.kind === 'refused') {
      const { status, sentence, retryAfterS } = decision
      if (retryAfterS !== undefined) response.setHeader('retry-after', retryAfterS)
      refuseModelCall(response, wire, status, sentence)
      log.info({ ...who, allowed: false, status, sentence, ms: ms() }, 'model call')
      return
    }

    if (decision.kind === 'warmUp') {
      answerWarmUp(response, wire)
      log.info({ ...who, allowed: true, status: 200, warmUp: true, ms: ms() }, 'model call')
      return
    }

    const { grant, candidates } = decision
    const passedOver: PassedOver[] = []
    for (const [i, { upstream, model, body, name }] of candidates.entries()) {
      const isLast = i === candidates.length - 1
      const row = newRow(grant, upstream, model)
      const root = await upstream.root()
      if (root === null && isLast) {
        const sentence = `the model server "${upstream.name}" is not running; try again in a moment.`
        refuseModelCall(response, wire, 503, sentence)
        log.info({ ...who, allowed: false, status: 503, sentence, ms: ms() }, 'model call')
        return
      }
      if (root === null) {
        passedOver.push({ model: name, status: null })
        continue
      }
      if (endpoint.generates) await modelCalls.write(row)
      const { usage, ...result } = await callUpstream({
        ...{ dispatcher, upstream, wire, body, request, response, signal, isLast },
        url: root + endpoint.path + query,
        more: fallbackHeaders(passedOver, name),
      })
      if (endpoint.generates) {
        const cost = costOf({ upstream, model, body }, result, usage)
        await modelCalls.write({ ...row, ...usage, costUsd: cost, status: result.status, endedAt: new Date() })
      }
      const what = { executionId: grant.runningExecution, upstream: upstream.name, model }
      log.info({ ...who, ...what, allowed: true, ...result, ms: ms() }, 'model call')
      if (result.ending !== 'passed_over') return
      passedOver.push({ model: name, status: result.status })
    }
  }

  async function decide(request: IncomingMessage, endpoint: Endpoint, signal: AbortSignal): Promise<Decision> {
    const answer = await grants.of(request.headers, signal)
    if (answer.kind === 'refused') return answer
    const { grant } = answer
    const { wire } = endpoint
    const refused = (status: number, sentence: string) => ({ kind: 'refused' as const, status, sentence, grant })
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
      return refused(400, 'a compressed body is not taken here; send it as it is.')
    }
    const sent = await readBody(request, maxBodyMiB * 1024 * 1024)
    if (!sent) return refused(413, `the request is larger than ${maxBodyMiB} MiB.`)
    if (endpoint.generates && asksForWarmUp(sent)) return { kind: 'warmUp', grant }
    const admission = candidatesOf({ grant, upstreams, wire, body: sent, generates: endpoint.generates })
    if (admission.kind === 'refused') return refused(admission.status, admission.sentence)
    const limited = rateLimits.take(grant)
    if (!limited) return { kind: 'admitted', grant, candidates: admission.candidates }
    const { scope, perMinute, retryAfterS } = limited
    return {
      ...refused(429, `the ${scope} may make ${perMinute} calls a minute; try again in ${retryAfterS} s.`),
      retryAfterS,
    }
  }

  return {
    kind: 'models',
    serves: (path) => path === '/v1/models' || path in endpoints,
    async answer(request, response) {
      const [path = '', query] = (request.url ?? '').split('?', 2)
      const endpoint = endpoints[path]
      const method = endpoint ? 'POST' : 'GET'
      if (request.method !== method) {
        refuseModelCall(response, endpoint?.wire ?? 'openai-chat', 405, `${path} takes ${method} only.`)
      } else if (endpoint) {
        await call(request, response, endpoint, query === undefined ? '' : `?${query}`)
      } else {
        await list(request, response)
      }
    },
  }
}

/** Null for a model without a price. What the upstream refused costs nothing. */
function costOf(
  { upstream, model, body }: Pick<Candidate, 'upstream' | 'model' | 'body'>,
  { status, bytes: answerBytes, streamed }: Omit<UpstreamResult, 'usage'>,
  usage: Usage,
): number | null {
  const price = priceOf(upstream.prices, model)
  if (price === null || status === null || status >= 300) return price && 0
  return costUsd(price, { ...usage, promptBytes: body.length, answerBytes, streamed })
}

function newRow(grant: Grant, upstream: Upstream, model: string): ModelCall {
  return {
    id: randomUUID(),
    sessionId: grant.sessionId,
    executionId: grant.runningExecution,
    userId: grant.userId,
    organizationId: grant.organizationId,
    upstream: upstream.name,
    model,
    startedAt: new Date(),
    endedAt: null,
    status: null,
    promptTokens: null,
    completionTokens: null,
    cachedTokens: null,
    costUsd: null,
  }
}
