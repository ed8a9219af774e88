/**
 * Connections under the outbound policy: a name is resolved here, each of its addresses is checked, and what was checked
 * is what is connected to, so a name cannot lead into the operator's network whatever it resolves to the next time.
 * Invariant: nothing is sent to, and no connection opened at, an address that the policy forbids.
 */

import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns'
import { once } from 'node:events'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { literalAddress, type OutboundPolicy } from './policy.ts'

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

/** What the policy forbids. Undici gives it on as it is, or as the `cause` of what it throws. */
class TargetRefused extends Error {
  constructor(hostname: string) {
    super(`"${hostname}" has no address that may be connected to.`)
    this.name = 'TargetRefused'
  }
}

/** Never follows a redirect by itself; who follows one asks this agent again. */
export function createOutboundAgent(
  deps: { policy: OutboundPolicy; resolve?: Resolve },
  options: Omit<Agent.Options, 'connect'> & { connectMs: number },
): Agent {
  const { policy, resolve = resolveAll } = deps
  const { connectMs, ...agentOptions } = options

  function connectChecked(target: buildConnector.Options, callback: buildConnector.Callback): void {
    const isAllowed = policy.addressesOf(target)
    const literal = literalAddress(target)
    if (literal !== null && !isAllowed(literal)) callback(new TargetRefused(target.hostname), null)
    else
      buildConnector({ timeout: connectMs, allowH2: false, lookup: checkedLookup(isAllowed, resolve) })(
        target,
        callback,
      )
  }

  return new Agent({ ...agentOptions, allowH2: false, connect: connectChecked })
}

/** A connection for bytes of whatever protocol, as the web proxy's tunnels are. Rejects with `TargetRefused`, or as `net` does. */
export async function connectOutbound(
  deps: { policy: OutboundPolicy; resolve?: Resolve },
  target: { protocol: 'http:' | 'https:'; hostname: string; port: number },
  { connectMs, signal }: { connectMs: number; signal: AbortSignal },
): Promise<Socket> {
  const { hostname, port } = target
  const isAllowed = deps.policy.addressesOf({ ...target, port: String(port) })
  const literal = literalAddress({ hostname })
  if (literal !== null && !isAllowed(literal)) throw new TargetRefused(hostname)
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = connect({ host, port, lookup: checkedLookup(isAllowed, deps.resolve ?? resolveAll) })
  socket.setNoDelay(true)
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs)]) })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Fails when a name has no allowed address; the allowed ones are all that is tried. */
function checkedLookup(isAllowed: (address: string) => boolean, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const allowed = addresses.filter(
          ({ address, family }) => isAllowed(address) && (!options.family || options.family === family),
        )
        const [first] = allowed
        if (!first) return callback(new TargetRefused(hostname), [])
        if (options.all) callback(null, allowed)
        else callback(null, first.address, first.family)
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    )
  }
}

const resolveAll: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
  })

/** Whether `error`, thrown by a request on such an agent, is the policy's refusal. */
export function isTargetRefused(error: unknown): boolean {
  if (error instanceof TargetRefused) return true
  if (error instanceof AggregateError) return error.errors.some(isTargetRefused)
  return error instanceof Error && isTargetRefused(error.cause)
}
