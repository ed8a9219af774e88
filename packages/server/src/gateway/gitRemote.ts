/**
 * Git on a host: the request passes through, with the credential when there is one. Redirects are not followed,
 * since they would carry the credential elsewhere; what the host says about an error is not passed on.
 */
import { type Dispatcher, request as send } from 'undici'
import { isTargetRefused } from '../outbound/agent.ts'
import type { CodeHost } from './codeHost.ts'
import type { GitCredential } from './gitCredentials.ts'
import type { GitPassage, GitResult } from './gitPassage.ts'
import type { GitDecision } from './gitPolicy.ts'
import { pick, relay } from './passThrough.ts'

const sentOn = ['accept', 'accept-encoding', 'accept-language', 'content-type', 'user-agent'] as const
const passedBack = ['content-type', 'content-encoding', 'content-length', 'cache-control', 'expires', 'pragma'] as const

type RemoteDecision = Extract<GitDecision, { kind: 'remote' }>

export type GitRemote = (
  decision: RemoteDecision,
  credential: GitCredential | null,
  passage: GitPassage,
) => Promise<GitResult>

export function createGitRemote(deps: { dispatchers: Record<CodeHost['reach'], Dispatcher> }): GitRemote {
  return async ({ codeHost: { host, reach }, url }, credential, passage) => {
    const { service, step, headers, body, response, signal } = passage
    const refused = (status: number, sentence: string, error?: string): GitResult => ({
      ending: 'refused',
      status,
      sentence,
      error,
    })
    let answer: Dispatcher.ResponseData
    try {
      answer = await send(step === 'references' ? `${url}/info/refs?service=${service}` : `${url}/${service}`, {
        method: body ? 'POST' : 'GET',
        headers: {
          ...pick(headers, sentOn),
          // Version 2 is for fetching; a push would be answered in a protocol that nobody asked for.
          ...(service === 'git-upload-pack' && pick(headers, ['git-protocol'])),
          ...(body?.encoding && { 'content-encoding': body.encoding }),
          ...(credential && { authorization: basic(credential) }),
        },
        body: body?.stream ?? null,
        dispatcher: deps.dispatchers[reach],
        signal,
      })
    } catch (error) {
      if (isTargetRefused(error)) return refused(403, `${host} is not an address that this session may connect to.`)
      return refused(502, `${host} could not be reached; try again.`, String(error))
    }

    const { statusCode: status } = answer
    if (status !== 200) {
      // Reads what is left of a short answer, so that the connection can be used again.
      await answer.body.dump().catch(() => undefined)
      return { ...refused(...sentenceFor(status, host, credential !== null)), hostStatus: status }
    }
    response.writeHead(status, pick(answer.headers, passedBack))
    return { status, ...(await relay(answer.body, response, { signal })) }
  }
}

function sentenceFor(status: number, host: string, withCredential: boolean): [number, string] {
  if (status >= 300 && status < 400) {
    return [502, `${host} redirects this repository elsewhere, which is not followed; use its present address.`]
  }
  if (status === 401 || status === 403 || status === 404) {
    const who = withCredential ? 'with the credential that is configured for it' : 'without a credential'
    return [404, `${host} has no such repository, or it may not be reached ${who}.`]
  }
  return [502, `${host} answered with an error (${status}); try again.`]
}

const basic = ({ username, token }: { username: string; token: string }) =>
  `Basic ${Buffer.from(`${username}:${token}`).toString('base64')}`
