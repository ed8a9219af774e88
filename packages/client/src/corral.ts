/**
 * The entrance of the SDK: typed procedures, a stream that resumes, and a transcript that stays current. Runs in Node
 * and in browsers; what a call refuses is thrown as a `CorralCallError`.
 */
import type { SessionExport, SessionId } from '@corral/protocol'
// The types of the procedures are the server's own: the one import against the arrows, and a type only.
import type { AppRouter } from '@corral/server'
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client'
import { callError, fetchJson } from './callError.ts'
import { type FollowOptions, follow, type StreamItem } from './stream.ts'

export type Corral = {
  /** The address that was given, without a trailing slash. */
  url: string
  /** Every procedure of the cloud-agent API, e.g. `corral.call.sendMessage.mutate({ … })`. */
  call: TRPCClient<AppRouter>
  /**
   * Follows a session's log from `from` (exclusive; default 0), across lost connections, without a gap or a double.
   * Ends when `signal` aborts; throws when access has ended or the session is deleted.
   */
  stream(sessionId: SessionId, options?: FollowOptions): AsyncGenerator<StreamItem>
  /** OpenCode's own form of an exported session, which `opencode import` reads. */
  exportSession(sessionId: SessionId): Promise<SessionExport>
}

/** `internalKey` is for back ends that act for their users (`INTERNAL_API_SECRET`); callers with a key need none. */
export function createCorral(options: { url: string; apiKey: string; internalKey?: string }): Corral {
  const url = options.url.replace(/\/+$/, '')
  const headers: Record<string, string> = { authorization: `Bearer ${options.apiKey}` }
  if (options.internalKey !== undefined) headers['x-internal-api-key'] = options.internalKey
  const call = createTRPCClient<AppRouter>({ links: [httpLink({ url: `${url}/trpc`, headers })] })

  async function ticket(sessionId: SessionId): Promise<string> {
    const answer = await fetchJson(`${url}/api/cloud-agent/sessions/stream-ticket`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ cloudAgentSessionId: sessionId }),
    })
    return (answer as { ticket: string }).ticket
  }

  return {
    url,
    call,
    stream: (sessionId, followOptions = {}) =>
      follow(
        {
          socketUrl: `${url.replace(/^http/, 'ws')}/stream`,
          ticket: () => ticket(sessionId),
          head: async () => {
            try {
              return (await call.getSession.query({ cloudAgentSessionId: sessionId })).latestEventId
            } catch (error) {
              throw callError(error)
            }
          },
        },
        sessionId,
        followOptions,
      ),
    exportSession: async (sessionId) =>
      (await fetchJson(`${url}/api/session/${sessionId}/export`, { headers })) as SessionExport,
  }
}
