/**
 * Package registries: `/registry/<npm|pypi|crates|go>/…`, to read from and nothing else. No credential is added and none
 * of the sandbox's goes on; addresses in what a registry says are made the door's, so that downloads come here, too.
 * Open under every policy of a session's network but `off-all`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Logger } from 'pino'
import { type Dispatcher, request as send } from 'undici'
import { isTargetRefused } from '../../outbound/agent.ts'
import { answerJson, refuseGit } from '../answers.ts'
import type { CallFace } from '../callServer.ts'
import type { CodeHost } from '../codeHost.ts'
import type { Grant, Grants } from '../grants.ts'
import { clientSignal, type Headers, pick, type Relayed, relay } from '../passThrough.ts'
import { Refusal } from '../refusal.ts'
import type { NetworkLog } from '../web/networkLog.ts'
import { type RegistryCall, type RegistryTarget, readRegistryCall, replacementsFor, targetOf } from './registryCall.ts'
import { rewrite } from './rewrite.ts'
import type { RegistrySettings } from './settings.ts'

const sentOn = ['accept', 'user-agent', 'if-none-match', 'if-modified-since'] as const
/** What describes the bytes as the registry sent them; not for what is rewritten. */
const sentOnWhole = ['accept-encoding', 'range', 'if-range'] as const
const passedBack = ['content-type', 'etag', 'last-modified', 'cache-control', 'retry-after'] as const
const passedBackWhole = ['content-length', 'content-encoding', 'content-range', 'accept-ranges'] as const

const redirects = new Set([301, 302, 303, 307, 308])
const maxRedirects = 5

type Method = 'GET' | 'HEAD'
type Upstream = Extract<RegistryTarget, { kind: 'upstream' }>
type Entry = { allowed: boolean; status: number; sentence?: string; error?: string } & Partial<Relayed>

export function createRegistries(deps: {
  grants: Grants
  settings: RegistrySettings
  /** `any` for the operator's registries; where they redirect to is checked. */
  dispatchers: Record<CodeHost['reach'], Dispatcher>
  visits: NetworkLog
  log: Pick<Logger, 'info'>
}): CallFace {
  const { grants, settings, dispatchers, visits, log } = deps
  const own = new Set(
    Object.values(settings).flatMap((bases) => Object.values(bases).map((url) => new URL(url).origin)),
  )

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now()
    const signal = clientSignal(response)
    const call = readRegistryCall(request.url ?? '')
    const granted = await grants.of(request.headers, signal)
    const entry = await pass().catch((error: unknown): Entry => {
      if (!(error instanceof Refusal)) throw error
      const { status, message: sentence, cause } = error
      // npm shows the member of that name; the others show a text, if anything.
      if (call?.registry === 'npm') answerJson(response, status, { error: `corral: ${sentence}` })
      else refuseGit(response, status, sentence)
      return { allowed: false, status, sentence, ...(cause !== undefined && { error: String(cause) }) }
    })
    const grant = granted.kind === 'granted' ? granted.grant : null
    const who = { sessionId: grant?.sessionId, userId: grant?.userId, method: request.method, ...call }
    log.info({ ...who, ...entry, ms: Math.round(performance.now() - began) }, 'registry call')

    async function pass(): Promise<Entry> {
      request.resume()
      if (granted.kind === 'refused') throw new Refusal(granted.status, granted.sentence)
      if (!call) throw new Refusal(404, 'the registries here are npm, pypi, crates and go.')
      const { method } = request
      if (method !== 'GET' && method !== 'HEAD') {
        throw new Refusal(405, `${call.registry} is only read from here; nothing can be published through it.`)
      }
      const target = targetOf(call, settings)
      if (target.kind === 'missing') throw new Refusal(404, `${call.registry} has nothing at this path.`)
      admit(granted.grant, target)
      if (target.kind === 'supported') {
        response.writeHead(200).end()
        return { allowed: true, status: 200 }
      }
      const headers = pick(request.headers, target.rewritten ? sentOn : [...sentOn, ...sentOnWhole])
      if (target.rewritten) headers['accept-encoding'] = 'gzip'
      const answered = await ask(target.url, { method, headers, signal })
      const ending = await relayAnswer(answered, { call, target, door: doorOf(request, call), response, signal })
      note(granted.grant, target, ending.bytes)
      return { allowed: true, status: answered.statusCode, ...ending }
    }
  }

  function admit({ sessionId, network }: Grant, target: RegistryTarget): void {
    if (network.mode !== 'off-all') return
    if (target.kind === 'upstream') visits.note({ ...placeOf(sessionId, target), why: 'off', sent: 0, received: 0 })
    throw new Refusal(403, 'this session has no network, and no registries (its policy is "off-all").')
  }

  function note({ sessionId }: Grant, target: Upstream, received: number): void {
    visits.note({ ...placeOf(sessionId, target), why: null, sent: 0, received })
  }

  async function ask(
    from: string,
    request: { method: Method; headers: Headers; signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    let url = new URL(from)
    for (let followed = 0; ; followed++) {
      const answered = await askOnce(url, request)
      const { location } = answered.headers
      if (!redirects.has(answered.statusCode) || typeof location !== 'string') return answered
      await answered.body.dump()
      if (followed === maxRedirects || !URL.canParse(location, url)) {
        throw new Refusal(502, `${url.host} redirects, and leads nowhere.`)
      }
      url = new URL(location, url)
    }
  }

  async function askOnce(
    url: URL,
    request: { method: Method; headers: Headers; signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await send(url, { ...request, dispatcher: dispatchers[own.has(url.origin) ? 'any' : 'checked'] })
    } catch (error) {
      if (isTargetRefused(error)) throw new Refusal(403, `${url.host} is not an address that may be connected to.`)
      const late = error instanceof Error && error.name.includes('Timeout')
      const what = late ? 'did not answer in time' : 'could not be reached'
      throw new Refusal(late ? 504 : 502, `${url.host} ${what}; try again.`, error)
    }
  }

  async function relayAnswer(
    { statusCode, headers, body }: Dispatcher.ResponseData,
    to: { call: RegistryCall; target: Upstream; door: string; response: ServerResponse; signal: AbortSignal },
  ): Promise<Relayed> {
    const { call, target, door, response, signal } = to
    if (!target.rewritten) {
      response.writeHead(statusCode, pick(headers, [...passedBack, ...passedBackWhole]))
      return relay(body, response, { signal })
    }
    const encoding = headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity' && encoding !== 'gzip') {
      await body.dump()
      throw new Refusal(502, `${new URL(target.url).host} answered in an encoding that it was not asked for.`)
    }
    response.writeHead(statusCode, pick(headers, passedBack))
    // An error of either is met where the chunks are read.
    const plain = encoding === 'gzip' ? pipeline(body, createGunzip(), () => {}) : body
    return relay(rewrite(plain, replacementsFor(call.registry, settings, door)), response, { signal })
  }

  return { kind: 'registries', serves: (path) => path.startsWith('/registry/'), answer }
}

/** The registry's address as the program in the sandbox sees it. */
const doorOf = ({ headers }: IncomingMessage, { registry }: RegistryCall): string =>
  `http://${headers.host}/registry/${registry}/`

function placeOf(sessionId: Grant['sessionId'], { url }: Upstream) {
  const { protocol, hostname, port } = new URL(url)
  return { sessionId, host: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)) }
}
