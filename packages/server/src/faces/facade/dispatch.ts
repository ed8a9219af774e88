/**
 * From a request to a route, and every refusal in its order: who calls, whether there is such a route, whose session it
 * is, and only then what else may be wrong. Source: 31 (c) "Rules for every route".
 */
import { CorralError } from '@corral/protocol'
import type { Logger } from 'pino'
import { authorize } from '../../identity/authorize.ts'
import type { Authenticate } from '../../identity/bearer.ts'
import type { Authenticated } from '../../identity/caller.ts'
import type { Root, Roots } from '../../sessions/reads/roots.ts'
import { refusalOf } from '../cloud-agent/refusal.ts'
import { agentSessionIdIn, type Directory, readDirectory } from './directories.ts'
import { readQuery } from './query.ts'
import { FacadeRefusal, facadeRefusal, refusalResponse, sessionNotFound } from './refusal.ts'
import type { Call, Route } from './route.ts'

export type Connection = { address: string | null; reset(): void }
/** `path` without the base of the facade. */
export type Dispatch = (request: Request, path: string, connection: Connection) => Promise<Response>

export function createDispatch(options: {
  routes: readonly Route[]
  /** Whether what the seed's interface does not have is offered. */
  beyond: boolean
  authenticate: Authenticate
  roots: Pick<Roots, 'find'>
  logger: Logger
}): Dispatch {
  const { beyond, authenticate, roots, logger } = options
  const routes = options.routes.filter((route) => beyond || !route.beyond)

  const parametersOf = (route: Route): string[] => [
    'directory',
    ...(route.parameters ?? []),
    ...(beyond ? (route.beyondParameters ?? []) : []),
  ]

  return async function dispatch(request, path, { address, reset }) {
    let matched: Matched | null = null
    try {
      const caller = await callerOf(request, address)
      matched = match(routes, request.method, path)
      if (!matched) throw unsupported(request.method, path)
      const { route, params } = matched
      authorize(caller, { scope: route.scope })
      return await run(route, { caller, request, params, reset })
    } catch (error) {
      return refusalResponse(refused(error, path, matched?.route))
    }
  }

  /** A bearer and no cookie: what a page of another origin can send must not be enough. */
  function callerOf(request: Request, address: string | null): Promise<Authenticated> {
    const given = request.headers.get('authorization')
    const authorization = beyond ? asBearer(given) : given
    const internalKey = request.headers.get('x-internal-api-key')
    if (authorization === null) throw new CorralError('unauthorized')
    // Without the header that would skip the check of credits; it is refused below, in its place.
    return authenticate(
      new Headers({ authorization, ...(internalKey !== null && { 'x-internal-api-key': internalKey }) }),
      address,
    )
  }

  async function run(route: Route, call: Omit<Call, 'query'>): Promise<Response> {
    const { request, caller, params } = call
    const search = new URL(request.url).searchParams
    const named = params.get('sessionID')
    const owned = named === undefined ? null : await rootOf(caller, agentSessionIdIn(named))
    const directory = readable(() =>
      readDirectory(request, search, route.selectorCode ?? 'KILO_SESSION_SELECTOR_UNSUPPORTED'),
    )
    // A folder that is nobody's is not there; whatever else is wrong comes after that.
    const selected =
      route.on === 'selection' && directory.value?.kind === 'session' ? await rootOf(caller, directory.value.id) : null
    refuseBalanceBypass(request)
    const query = readQuery(search, parametersOf(route), route.selectorCode ?? 'KILO_SESSION_SELECTOR_UNSUPPORTED')
    if (directory.refusal) throw directory.refusal
    switch (route.on) {
      case 'session':
        if (!owned) throw sessionNotFound()
        refuseOtherDirectory(directory.value, owned)
        return route.handle({ ...call, query, root: owned })
      case 'selection':
        refuseSelection(route, directory.value)
        return route.handle({ ...call, query, root: selected })
    }
  }

  async function rootOf(caller: Authenticated, id: ReturnType<typeof agentSessionIdIn>): Promise<Root> {
    if (id === null) throw sessionNotFound()
    return roots.find(caller, id)
  }

  function refuseSelection(route: Extract<Route, { on: 'selection' }>, directory: Directory | null): void {
    if (beyond) return
    const { required, selectorCode = 'KILO_SESSION_SELECTOR_UNSUPPORTED' } = route
    if (required === null && directory) throw new FacadeRefusal(selectorCode, 'directory: this route takes none.')
    if (required !== null && directory?.kind !== 'session') {
      throw new FacadeRefusal(required, 'directory: must name a session.')
    }
  }

  function refused(error: unknown, path: string, route: Route | undefined): FacadeRefusal {
    if (error instanceof FacadeRefusal) return error
    return facadeRefusal(refusalOf(error, { logger, path }), route?.refusals ?? {})
  }
}

type Matched = { route: Route; params: Map<string, string> }

/** The route with the most parts of its own wins: `/session/status` before `/session/:sessionID`. */
function match(routes: readonly Route[], method: string, path: string): Matched | null {
  const given = path.split('/')
  let best: Matched | null = null
  for (const route of routes) {
    const params = route.method === method ? paramsOf(route.path.split('/'), given) : null
    if (params && (!best || params.size < best.params.size)) best = { route, params }
  }
  return best
}

function paramsOf(pattern: readonly string[], given: readonly string[]): Map<string, string> | null {
  if (pattern.length !== given.length) return null
  const params = new Map<string, string>()
  for (const [i, part] of pattern.entries()) {
    const text = given[i] ?? ''
    if (part.startsWith(':')) params.set(part.slice(1), text)
    else if (part !== text) return null
  }
  return params
}

const unsupported = (method: string, path: string) =>
  new FacadeRefusal(
    'KILO_ROUTE_UNSUPPORTED',
    `Corral does not offer ${method.slice(0, 10)} ${path.slice(0, 100)} for sessions in the cloud; see docs/facade.md for what there is.`,
  )

function refuseBalanceBypass(request: Request): void {
  if (!request.headers.has('x-skip-balance-check')) return
  throw new FacadeRefusal(
    'KILO_BALANCE_BYPASS_UNSUPPORTED',
    'x-skip-balance-check is not for this interface; leave it out.',
  )
}

function refuseOtherDirectory(directory: Directory | null, root: Root): void {
  if (directory === null || directory.kind === 'everything' || directory.id === root.agentSessionId) return
  throw new FacadeRefusal('KILO_SESSION_SELECTOR_UNSUPPORTED', "directory: must be /cloud-agent or the session's own.")
}

/** Its refusal is kept until its turn. */
function readable(read: () => Directory | null): { value: Directory | null; refusal: FacadeRefusal | null } {
  try {
    return { value: read(), refusal: null }
  } catch (error) {
    if (error instanceof FacadeRefusal) return { value: null, refusal: error }
    throw error
  }
}

/**
 * The terminal programs of these clients know a user's name and a password alone; the password is the key. A browser
 * never sends one by itself, since nothing here asks for it.
 */
function asBearer(authorization: string | null): string | null {
  const credentials = /^Basic ([\w+/=]+)$/i.exec(authorization ?? '')?.[1]
  if (credentials === undefined) return authorization
  const pair = Buffer.from(credentials, 'base64').toString()
  return `Bearer ${pair.slice(pair.indexOf(':') + 1)}`
}
