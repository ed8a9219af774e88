/**
 * The web proxy: CONNECT tunnels and plain http for the programs of a sandbox. Who asks is told by the token; where they may
 * go by the session's policy, its host's name in TLS, and the address that is then connected to, in this order.
 * Invariants: no byte reaches a server that was not allowed; every decision is noted; a tunnel's two ends close together.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { type Dispatcher, request as send } from 'undici'
import { connectOutbound, isTargetRefused, type Resolve } from '../../outbound/agent.ts'
import type { OutboundPolicy } from '../../outbound/policy.ts'
import type { CallFace } from '../callServer.ts'
import { repositoryOf } from '../doorUrl.ts'
import type { GatewayConfig } from '../gatewayConfig.ts'
import type { Grant, Grants } from '../grants.ts'
import { clientSignal, headersOnward, relay } from '../passThrough.ts'
import { firstWords } from './clientHello.ts'
import type { NetworkLog, Visit } from './networkLog.ts'
import { decideWeb, type WebTarget } from './networkPolicy.ts'
import { createNotices } from './notices.ts'

export type WebProxy = {
  /** Absolute addresses: plain http. */
  face: CallFace
  /** Settles when the tunnel has ended. */
  tunnel(request: IncomingMessage, client: Socket, head: Buffer): Promise<void>
}

/** A tunnel on which nothing moves for so long is closed. */
const silenceMs = 10 * 60_000
const helloMs = 10_000

type Refusal = { status: 403 | 407 | 502 | 503; sentence: string; headers?: Record<string, string> }

export function createWebProxy(deps: {
  grants: Grants
  config: Pick<GatewayConfig, 'network' | 'gitHosts' | 'timeouts'>
  policy: OutboundPolicy
  resolve?: Resolve
  /** Checks the address that it connects to. */
  dispatcher: Dispatcher
  visits: NetworkLog
}): WebProxy {
  const { grants, config, policy, visits } = deps
  const notices = createNotices()
  const outbound = { policy, ...(deps.resolve && { resolve: deps.resolve }) }

  /** The grant of an allowed visit, or why there is none; what is refused is noted here. */
  async function admit(request: IncomingMessage, target: WebTarget, signal: AbortSignal): Promise<Grant | Refusal> {
    const answer = await grants.of({ authorization: request.headers['proxy-authorization'] }, signal)
    if (answer.kind === 'refused') {
      const status = answer.status === 401 ? 407 : 503
      return { status, sentence: answer.sentence, headers: status === 407 ? { 'proxy-authenticate': 'Basic' } : {} }
    }
    const { grant } = answer
    const own = repositoryOf(grant.repository)
    const decision = decideWeb(target, {
      network: grant.network,
      operatorHosts: config.network.hosts,
      gitHosts: [...Object.keys(config.gitHosts), ...(own.kind === 'remote' ? [own.host] : [])],
    })
    return decision.allowed ? grant : refuse(grant, target, decision.why, decision.sentence)
  }

  function refuse(grant: Grant, target: WebTarget, why: Visit['why'], sentence: string): Refusal {
    visits.note({ sessionId: grant.sessionId, host: target.hostname, port: target.port, why, sent: 0, received: 0 })
    return { status: 403, sentence, headers: notices.about(grant.sessionId, target.hostname, sentence) }
  }

  async function reach(grant: Grant, target: WebTarget, signal: AbortSignal): Promise<Socket | Refusal> {
    try {
      return await connectOutbound(outbound, target, { connectMs: config.timeouts.connectMs, signal })
    } catch (error) {
      if (isTargetRefused(error)) return refuse(grant, target, 'address', `${target.hostname} has no public address.`)
      if (signal.aborted) throw error
      return { status: 502, sentence: `${target.hostname} could not be reached.` }
    }
  }

  async function tunnel(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy())
    const gone = new AbortController()
    client.once('close', () => gone.abort())
    const target = tunnelTarget(request.url ?? '')
    if (!target) return answerTunnel(client, { status: 403, sentence: 'CONNECT names a host and a port.' })
    const granted = await admit(request, target, gone.signal)
    if ('status' in granted) return answerTunnel(client, granted)
    const server = await reach(granted, target, gone.signal)
    if ('status' in server) return answerTunnel(client, server)
    server.on('error', () => server.destroy())

    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) client.unshift(head)
    for (const socket of [client, server]) socket.setTimeout(silenceMs, () => socket.destroy())
    // Some servers speak first.
    const back = pipeline(server, client)
    back.catch(() => {})
    if (!(await speaksTo(client, target))) {
      refuse(granted, target, 'server_name', `TLS to ${target.hostname} must name it as its server.`)
      server.destroy()
      client.destroy()
      return
    }
    await Promise.allSettled([pipeline(client, server), back])
    const { sessionId } = granted
    const { bytesWritten: sent, bytesRead: received } = server
    visits.note({ sessionId, host: target.hostname, port: target.port, why: null, sent, received })
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const signal = clientSignal(response)
    const url = URL.canParse(request.url ?? '') ? new URL(request.url ?? '') : null
    if (url?.protocol !== 'http:') return answerPlain(response, { status: 403, sentence: 'only http is asked for so.' })
    const target: WebTarget = { protocol: 'http:', hostname: url.hostname, port: Number(url.port || 80) }
    const granted = await admit(request, target, signal)
    if ('status' in granted) return answerPlain(response, granted)
    try {
      const { statusCode, headers, body } = await send(url, {
        method: request.method ?? 'GET',
        headers: headersOnward(request.headers, ['proxy-authorization']),
        body: request.method === 'GET' || request.method === 'HEAD' ? null : request,
        dispatcher: deps.dispatcher,
        signal,
      })
      response.writeHead(statusCode, headersOnward(headers, []))
      const { bytes: received } = await relay(body, response, { signal })
      const { sessionId } = granted
      visits.note({ sessionId, host: target.hostname, port: target.port, why: null, sent: 0, received })
    } catch (error) {
      if (signal.aborted) return
      const refusal = isTargetRefused(error)
        ? refuse(granted, target, 'address', `${target.hostname} has no address that plain http may go to.`)
        : { status: 502 as const, sentence: `${target.hostname} could not be reached.` }
      answerPlain(response, refusal)
    }
  }

  return { face: { kind: 'web', serves: (path) => /^[a-z][a-z0-9+.-]*:\/\//i.test(path), answer }, tunnel }
}

/** Undefined where it is no `host:port`. A name keeps no dot at its end: the same host must have one name. */
function tunnelTarget(authority: string): WebTarget | undefined {
  const [, hostname = '', port = ''] = /^(\[[^\]]+\]|[^:/?#@\s]+):(\d{1,5})$/.exec(authority) ?? []
  if (!URL.canParse(`https://${hostname}/`) || Number(port) > 65_535 || Number(port) === 0) return undefined
  // `URL` makes decimal, octal and hex forms of an address plain.
  const name = new URL(`https://${hostname}/`).hostname.replace(/\.$/, '')
  return { protocol: 'https:', hostname: name, port: Number(port) }
}

/** TLS names the host that was asked for, so nobody is reached under another's name; on 443 nothing but TLS is spoken. */
async function speaksTo(client: Socket, { hostname, port }: WebTarget): Promise<boolean> {
  const words = await firstWords(client, port === 443 ? helloMs : silenceMs).catch(() => null)
  if (words === null) return false
  return words.speaks === 'tls' ? words.serverName === hostname : port !== 443
}

function answerTunnel(client: Socket, { status, sentence, headers = {} }: Refusal): void {
  const body = `corral: ${sentence}\n`
  const lines = Object.entries({
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  client.end(`HTTP/1.1 ${status} ${reasons[status]}\r\n${lines.join('')}\r\n${body}`)
}

function answerPlain(response: ServerResponse, { status, sentence, headers = {} }: Refusal): void {
  const body = `corral: ${sentence}\n`
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(body)
}

const reasons = {
  403: 'Forbidden',
  407: 'Proxy Authentication Required',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
} as const
