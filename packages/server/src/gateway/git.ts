/**
 * Git: `/git/<host>/<path>.git/…`, smart HTTP and nothing else of HTTP. A push is let through when its commands have
 * been read and are those of the session's branch; what is refused is told in the way that git shows to its user.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Logger } from 'pino'
import { refuseGit } from './answers.ts'
import type { CallFace } from './callServer.ts'
import { rejoined } from './cgiHead.ts'
import type { HostPolicy } from './codeHost.ts'
import { nameOf } from './doorUrl.ts'
import type { GitCredentials } from './gitCredentials.ts'
import type { GitLocal } from './gitLocal.ts'
import type { GitPassage, GitResult } from './gitPassage.ts'
import { decideGit, type GitCall, type GitDecision, readGitCall } from './gitPolicy.ts'
import type { GitRemote } from './gitRemote.ts'
import type { Grant, Grants } from './grants.ts'
import { findLocalRepository } from './localRepository.ts'
import { clientSignal } from './passThrough.ts'
import { pushRefusal, readPushHead } from './pushHead.ts'
import { pushResultType, refusedPush } from './pushReport.ts'

type Entry = { allowed: boolean; status: number; ending?: string; sentence?: string; bytes?: number; error?: string }

export function createGit(deps: {
  grants: Grants
  policy: HostPolicy
  credentials: GitCredentials
  localRoots: readonly string[]
  remote: GitRemote
  local: GitLocal
  log: Pick<Logger, 'info'>
}): CallFace {
  const { grants, policy, credentials, localRoots, remote, local, log } = deps

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now()
    const signal = clientSignal(response)
    const call = readGitCall(request.method, request.url ?? '')
    const granted = await grants.of(request.headers, signal)
    const grant = granted.kind === 'granted' ? granted.grant : null
    const entry = await answerCall()
    const who = { sessionId: grant?.sessionId, userId: grant?.userId }
    const what = call && { repository: nameOf(call.repository), service: call.service, step: call.step }
    log.info({ ...who, ...what, ...entry, ms: Math.round(performance.now() - began) }, 'git call')

    async function answerCall(): Promise<Entry> {
      if (granted.kind === 'refused') return refuse(response, granted.status, granted.sentence)
      if (!call) return refuse(response, 404, 'only smart HTTP of git is served here: fetch, clone and push.')
      return pass(call, granted.grant, request, response, signal)
    }
  }

  async function pass(
    call: GitCall,
    grant: Grant,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<Entry> {
    const decision = decideGit(call, grant, policy)
    if (decision.kind === 'refused') return refuse(response, decision.status, decision.sentence)

    const encoding = request.headers['content-encoding'] ?? null
    const passage: GitPassage = { ...call, headers: request.headers, body: null, response, signal }
    if (call.step === 'work' && call.service === 'git-upload-pack') passage.body = { stream: request, encoding }
    if (call.step === 'work' && call.service === 'git-receive-pack') {
      const push = await admitPush(request, encoding, grant.branch)
      if (push.kind === 'refused') return refuse(response, push.status, push.sentence)
      if (push.kind === 'answered') return answerPush(response, push)
      passage.body = { stream: push.stream, encoding: null }
    }

    let result: GitResult
    if (decision.kind === 'remote') {
      result = await passToHost(decision, grant, passage)
    } else {
      const repository = await findLocalRepository(decision.path, localRoots)
      if (!repository) return refuse(response, 404, 'there is no such repository below the folders of the operator.')
      result = await local(repository, grant.sessionId, passage)
    }
    if (result.ending !== 'refused') return { allowed: true, ...result }
    return { ...refuse(response, result.status, result.sentence), allowed: true, error: result.error }
  }

  /** A token of the App may have been revoked: the host's 401 drops it, and what has no body yet is asked once more. */
  async function passToHost(
    decision: Extract<GitDecision, { kind: 'remote' }>,
    grant: Grant,
    passage: GitPassage,
  ): Promise<GitResult> {
    const unavailable = ({ sentence, error }: { sentence: string; error: string }): GitResult => ({
      ending: 'refused',
      status: 502,
      sentence,
      error,
    })
    const { access, codeHost } = decision
    if (access === 'anonymous') return remote(decision, null, passage)
    if (access === 'shared') {
      return remote(decision, codeHost.credential && { ...codeHost.credential, from: 'operator' }, passage)
    }
    const first = await credentials.of(grant, codeHost)
    if (first.kind === 'unavailable') return unavailable(first)
    const result = await remote(decision, first.credential, passage)
    const revoked = result.ending === 'refused' && result.hostStatus === 401 && first.credential?.from === 'app'
    if (!revoked || passage.body !== null) return result
    const second = await credentials.of(grant, codeHost, first.credential ?? undefined)
    if (second.kind === 'unavailable') return unavailable(second)
    return remote(decision, second.credential, passage)
  }

  return { kind: 'git', serves: (path) => path.startsWith('/git/'), answer }
}

function refuse(response: ServerResponse, status: number, sentence: string): Entry {
  refuseGit(response, status, sentence)
  return { allowed: false, status, sentence }
}

type PushAdmission =
  | { kind: 'admitted'; stream: Readable }
  | { kind: 'refused'; status: number; sentence: string }
  /** In git's own words, with status 200; empty when git only asked whether it is let in. */
  | { kind: 'answered'; body: Buffer; sentence: string | null }

/** Reads the commands of a push. What is not let through is read to its end, since git listens only then. */
async function admitPush(request: IncomingMessage, encoding: string | null, branch: string): Promise<PushAdmission> {
  if (encoding !== null && encoding !== 'gzip' && encoding !== 'x-gzip') {
    request.resume()
    return { kind: 'refused', status: 415, sentence: 'a push is taken as it is or with gzip.' }
  }
  // An error of either is met where the chunks are read.
  const decoded: Readable = encoding === null ? request : pipeline(request, createGunzip(), () => {})
  const chunks: AsyncIterator<Buffer> = decoded.iterator()
  const head = await readPushHead(chunks)
  const refusal = head.kind === 'push' ? pushRefusal(head, branch) : null
  if (head.kind === 'push' && refusal === null) {
    return { kind: 'admitted', stream: Readable.from(rejoined(head.bytes, chunks), { objectMode: false }) }
  }
  for (let next = await chunks.next(); !next.done; ) next = await chunks.next()
  if (head.kind === 'probe') return { kind: 'answered', body: Buffer.alloc(0), sentence: null }
  if (head.kind === 'malformed') return { kind: 'refused', status: 400, sentence: head.sentence }
  return { kind: 'answered', body: refusedPush(head, refusal ?? ''), sentence: refusal }
}

function answerPush(response: ServerResponse, { body, sentence }: { body: Buffer; sentence: string | null }): Entry {
  const headers = { 'content-type': pushResultType, 'cache-control': 'no-cache', 'content-length': body.length }
  response.writeHead(200, headers).end(body)
  return { allowed: sentence === null, status: 200, bytes: body.length, ...(sentence !== null && { sentence }) }
}
