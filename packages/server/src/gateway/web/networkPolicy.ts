/**
 * Where a session's programs may connect to through the web proxy: pure. By name and port alone; whether the address
 * behind a name is public is the outbound policy's, on the address that is then connected to.
 * Source: 20-sandbox-gateway "Web".
 */
import type { Network } from '@corral/protocol'

export type WebTarget = { protocol: 'http:' | 'https:'; hostname: string; port: number }

export type WebRules = {
  /** The session's own. */
  network: Network
  /** `host`, `*.host` or `host:port` that the operator opens to every session. */
  operatorHosts: readonly string[]
  /** Hosts of code: the session's, and those that are configured. */
  gitHosts: readonly string[]
}

export type RefusalKind = 'off' | 'not_listed' | 'port' | 'git_host'
export type WebDecision = { allowed: true } | { allowed: false; why: RefusalKind; sentence: string }

const usualPorts = { 'http:': 80, 'https:': 443 } as const

export function decideWeb(target: WebTarget, { network, operatorHosts, gitHosts }: WebRules): WebDecision {
  const { hostname, port } = target
  const refused = (why: RefusalKind, sentence: string): WebDecision => ({ allowed: false, why, sentence })
  if (network.mode === 'off' || network.mode === 'off-all') {
    return refused('off', `this session has no network (its policy is "${network.mode}").`)
  }
  if (gitHosts.includes(hostname)) {
    return refused('git_host', `${hostname} is reached through git alone, not through the web proxy.`)
  }
  const listed = [...operatorHosts, ...network.hosts].map(readPattern).filter((pattern) => pattern.fits(hostname))
  if (listed.some((pattern) => pattern.port === port)) return { allowed: true }
  if (listed.length === 0 && network.mode === 'allowlist') {
    return refused('not_listed', `${hostname} is not on this session's list of hosts.`)
  }
  if (port === usualPorts[target.protocol]) return { allowed: true }
  return refused('port', `port ${port} of ${hostname} is not on this session's list; 443 is what is open.`)
}

/** A host, a host with a port, or all names below one. */
function readPattern(text: string): { fits(hostname: string): boolean; port: number | null } {
  const [, name = '', port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text.trim().toLowerCase()) ?? []
  const below = name.startsWith('*.') ? name.slice(1) : null
  return {
    fits: (hostname) => (below === null ? hostname === name : hostname.endsWith(below) && hostname !== below.slice(1)),
    port: port === undefined ? null : Number(port),
  }
}
