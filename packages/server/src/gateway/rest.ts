/**
 * The REST interface of the session's own host: `/api/<host>/…`. The credential is added here; redirects are not
 * followed; an answer is read whole and looked at before any of it is passed on, so that no token of ours is in it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { type Dispatcher, request as send } from 'undici'
import { z } from 'zod'
import { answerJson } from './answers.ts'
import type { CallFace } from './callServer.ts'
import type { CodeHost, HostPolicy } from './codeHost.ts'
import { repositoryOf } from './doorUrl.ts'
import type { GitCredential, GitCredentials } from './gitCredentials.ts'
import type { Grant, Grants } from './grants.ts'
import { clientSignal, readBody } from './passThrough.ts'
import { Refusal } from './refusal.ts'
import { decideRest, pullRequestRefusal, type RestDecision, readRestCall } from './restPolicy.ts'

const maxBodyBytes = 256 * 1024
const maxAnswerBytes = 16 * 1024 * 1024

type Entry = { allowed: boolean; status: number; sentence?: string; bytes?: number; error?: string }
type Passed = Extract<RestDecision, { kind: 'passed' }>
type HostAnswer = { status: number; contentType: string; body: Buffer }

export function createRest(deps: {
  grants: Grants
  policy: HostPolicy
  credentials: GitCredentials
  dispatchers: Record<CodeHost['reach'], Dispatcher>
  log: Pick<Logger, 'info'>
}): CallFace {
  const { grants, policy, credentials, dispatchers, log } = deps

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now()
    const signal = clientSignal(response)
    const call = readRestCall(request.method, request.url ?? '')
    const granted = await grants.of(request.headers, signal)
    const entry = await answerCall().catch((error: unknown): Entry => {
      if (!(error instanceof Refusal)) throw error
      const { status, message: sentence, cause } = error
      answerJson(response, status, { message: `corral: ${sentence}` })
      return { allowed: false, status, sentence, ...(cause !== undefined && { error: String(cause) }) }
    })
    const grant = granted.kind === 'granted' ? granted.grant : null
    const who = { sessionId: grant?.sessionId, userId: grant?.userId, method: call?.method, path: call?.path }
    log.info({ ...who, ...entry, ms: Math.round(performance.now() - began) }, 'rest call')

    async function answerCall(): Promise<Entry> {
      const body = await readBody(request, maxBodyBytes)
      if (granted.kind === 'refused') throw new Refusal(granted.status, granted.sentence)
      if (!call) throw new Refusal(404, 'a path here begins with /api/<host>/.')
      if (body === null) throw new Refusal(413, `the request is larger than ${maxBodyBytes / 1024} KiB.`)
      const decision = decideRest(call, granted.grant, policy)
      if (decision.kind === 'refused') throw new Refusal(decision.status, decision.sentence)
      const { status, contentType, body: answered } = await pass(decision, granted.grant, body, signal)
      response.writeHead(status, { 'content-type': contentType, 'content-length': answered.length }).end(answered)
      return { allowed: true, status, bytes: answered.length }
    }
  }

  async function pass(decision: Passed, grant: Grant, body: Buffer, signal: AbortSignal): Promise<HostAnswer> {
    const { what, url } = decision
    if (what === 'read') return ask(decision, grant, { method: 'GET', url, body: null, signal })
    const members = readObject(body)
    checkPullRequest(decision, grant, members, what)
    if (what === 'change') {
      const current = await ask(decision, grant, { method: 'GET', url, body: null, signal })
      if (current.status !== 200) return current
      if (!isOfBranch(decision, grant, readObject(current.body))) {
        throw new Refusal(403, `this session may change pull requests from ${grant.branch} only.`)
      }
    }
    const method = what === 'create' ? 'POST' : decision.dialect.changeMethod
    // What was looked at is what is sent: another reader could see another of two members of one name.
    return ask(decision, grant, { method, url, body: Buffer.from(JSON.stringify(members)), signal })
  }

  /** A token of the App that the host does not take is dropped, and another one asked for, once. */
  async function ask(decision: Passed, grant: Grant, request: HostRequest): Promise<HostAnswer> {
    const first = await found(grant, decision.codeHost)
    const answered = await askWith(first, decision.codeHost, request)
    if (answered.status !== 401) return answered
    if (first?.from === 'app') {
      const again = await askWith(await found(grant, decision.codeHost, first), decision.codeHost, request)
      if (again.status !== 401) return again
    }
    throw new Refusal(404, `${decision.codeHost.host} has no such repository, or it may not be reached like this.`)
  }

  async function found(grant: Grant, codeHost: CodeHost, refused?: GitCredential): Promise<GitCredential | null> {
    const answered = await credentials.of(grant, codeHost, refused)
    if (answered.kind === 'unavailable') throw new Refusal(502, answered.sentence, answered.error)
    return answered.credential
  }

  async function askWith(
    credential: GitCredential | null,
    { host, kind, reach }: CodeHost,
    { method, url, body, signal }: HostRequest,
  ): Promise<HostAnswer> {
    let answered: Dispatcher.ResponseData
    let read: Buffer | null
    try {
      answered = await send(url, {
        method,
        headers: {
          'user-agent': 'corral',
          accept: kind === 'github' ? 'application/vnd.github+json' : 'application/json',
          ...(body && { 'content-type': 'application/json' }),
          ...(credential && { authorization: `Bearer ${credential.token}` }),
        },
        body,
        dispatcher: dispatchers[reach],
        signal,
      })
      read = await readAnswer(answered.body)
    } catch (error) {
      throw new Refusal(502, `${host} could not be reached; try again.`, error)
    }
    const { statusCode: status } = answered
    if (status >= 300 && status < 400)
      throw new Refusal(502, `${host} redirects this elsewhere, which is not followed.`)
    if (read === null) throw new Refusal(502, `the answer of ${host} is too long to be passed on.`)
    if (credential && read.includes(credential.token)) throw new Refusal(502, `an answer of ${host} is not passed on.`)
    return { status, contentType: answered.headers['content-type']?.toString() ?? 'application/json', body: read }
  }

  return { kind: 'rest', serves: (path) => path.startsWith('/api/'), answer }
}

type HostRequest = { method: 'GET' | 'POST' | 'PATCH' | 'PUT'; url: string; body: Buffer | null; signal: AbortSignal }

function checkPullRequest(
  { dialect }: Passed,
  { branch, repository }: Grant,
  body: Record<string, unknown>,
  what: 'create' | 'change',
): void {
  const own = repositoryOf(repository)
  const owner = own.kind === 'remote' ? (own.path.split('/')[0] ?? '') : ''
  const refusal = pullRequestRefusal(body, what, { dialect, branch, owner })
  if (refusal !== null) throw new Refusal(403, refusal)
}

const githubPull = z.object({
  head: z.object({ ref: z.string(), repo: z.object({ full_name: z.string() }).nullable() }),
})
const gitlabPull = z.object({ source_branch: z.string(), source_project_id: z.number(), target_project_id: z.number() })

/** A branch of a fork has the same name and is another's. */
function isOfBranch({ dialect }: Passed, { branch, repository }: Grant, pull: Record<string, unknown>): boolean {
  if (dialect.kind === 'gitlab') {
    const { data } = gitlabPull.safeParse(pull)
    return data?.source_branch === branch && data.source_project_id === data.target_project_id
  }
  const { data } = githubPull.safeParse(pull)
  const own = repositoryOf(repository)
  return data?.head.ref === branch && data.head.repo?.full_name.toLowerCase() === own.path.toLowerCase()
}

const anyObject = z.record(z.string(), z.unknown())

function readObject(body: Buffer): Record<string, unknown> {
  try {
    return anyObject.parse(JSON.parse(body.toString('utf8')))
  } catch (error) {
    throw new Refusal(400, 'the body must be a JSON object.', error)
  }
}

async function readAnswer(body: Dispatcher.ResponseData['body']): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxAnswerBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
