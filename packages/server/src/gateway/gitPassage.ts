/** One git request that is let through, as those take it who pass it on: to a host, or to git on this machine. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { GitCall } from './gitPolicy.ts'
import type { Relayed } from './passThrough.ts'

export type GitPassage = Omit<GitCall, 'repository'> & {
  /** Of the client; each passage takes from them what git needs, and nothing else. */
  headers: IncomingHttpHeaders
  /** Null for the list of references. */
  body: { stream: Readable /** Its Content-Encoding, when it has one. */; encoding: string | null } | null
  response: ServerResponse
  signal: AbortSignal
}

/** The answer went out, or there is none and the caller still has to give one. */
export type GitResult =
  | (Relayed & { status: number })
  | {
      ending: 'refused'
      status: number
      sentence: string
      error?: string /** What the host answered. */
      hostStatus?: number
    }
