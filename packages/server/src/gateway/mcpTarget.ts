/**
 * Where a call of an MCP server goes, and with what: from the session's configuration, its variables and the path that
 * was called. Pure. `/mcp/<name>` is the server's address; `/mcp/<name>/at/<place>` another place of the same server,
 * which an `sse` server names for its messages.
 */

import { filledIn, type McpAddress, type McpServer, placeholdersIn } from '@corral/protocol'
import { decodedComponent } from '../decodedComponent.ts'
import type { OutboundPolicy } from '../outbound/policy.ts'

export type McpCall = { server: string /** Path and query on the server; null: its address. */; place: string | null }

export type McpTarget =
  | { kind: 'passed'; url: URL; headers: Record<string, string>; server: McpAddress }
  | { kind: 'refused'; status: 403 | 404; sentence: string }

const prefix = '/mcp/'

export const isMcpPath = (path: string): boolean => path.startsWith(prefix)

export function readMcpCall(path: string): McpCall | null {
  const [name = '', at, place, ...more] = path.slice(prefix.length).split('/')
  const server = decodedComponent(name)
  if (!isMcpPath(path) || !server || more.length > 0) return null
  if (at === undefined) return { server, place: null }
  if (at !== 'at' || !place) return null
  const named = Buffer.from(place, 'base64url').toString()
  return named.startsWith('/') ? { server, place: named } : null
}

/** The path at the door for a place of this server. */
export const doorPath = (server: string, place: string): string =>
  `${prefix}${encodeURIComponent(server)}/at/${Buffer.from(place).toString('base64url')}`

/** The names of variables that the server needs. */
export const variablesOf = ({ url, headers = {} }: McpAddress): string[] =>
  [url, ...Object.values(headers)].flatMap(placeholdersIn)

export function decideMcpTarget(
  call: McpCall,
  configured: { servers: Readonly<Record<string, McpServer>>; variables: Readonly<Record<string, string>> },
  policy: Pick<OutboundPolicy, 'objectionTo'>,
): McpTarget {
  const refused = (status: 403 | 404, sentence: string): McpTarget => ({ kind: 'refused', status, sentence })
  const { servers, variables } = configured
  const server = Object.hasOwn(servers, call.server) ? servers[call.server] : undefined
  if (!server || server.type === 'stdio' || server.disabled) {
    return refused(404, `this session has no remote MCP server "${call.server}" that is enabled.`)
  }
  const missing = variablesOf(server).find((name) => !Object.hasOwn(variables, name))
  if (missing !== undefined) {
    return refused(403, `the MCP server "${call.server}" needs the variable ${missing}, which this session has not.`)
  }
  const address = filledIn(server.url, variables)
  if (!URL.canParse(address)) return refused(403, `the address of the MCP server "${call.server}" is none.`)
  const home = new URL(address)
  const url = call.place === null ? home : new URL(call.place, home)
  // A place like `//other.example/` would be one of another host.
  if (url.origin !== home.origin) return refused(403, 'that place is not on the MCP server.')
  const objection = policy.objectionTo(url)
  if (objection !== null) return refused(403, `the address of the MCP server "${call.server}" ${objection}.`)
  const headers = Object.fromEntries(
    Object.entries(server.headers ?? {}).map(([name, value]) => [name.toLowerCase(), filledIn(value, variables)]),
  )
  return { kind: 'passed', url, headers, server }
}
