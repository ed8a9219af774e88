/** Answers that the gateway gives itself, in the shape that the caller's kind of client reads and shows. */
import type { ServerResponse } from 'node:http'
import type { Wire } from './upstreams.ts'

/** Anthropic's names; OpenAI's clients look at the status. */
const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}

/** An error as the clients of that API expect it. */
export function refuseModelCall(response: ServerResponse, wire: Wire, status: number, sentence: string): void {
  const type = errorTypes[status] ?? 'api_error'
  const message = `corral: ${sentence}`
  answerJson(
    response,
    status,
    wire === 'anthropic'
      ? { type: 'error', error: { type, message } }
      : { error: { message, type, param: null, code: null } },
  )
}

/** Git shows a plain text to its user, after `remote:`, when it asked for the list of references. */
export function refuseGit(response: ServerResponse, status: number, sentence: string): void {
  const text = `corral: ${sentence}\n`
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) }
  // Only then does git send the name and password of a URL.
  if (status === 401) response.setHeader('www-authenticate', 'Basic realm="corral"')
  response.writeHead(status, headers).end(text)
}
