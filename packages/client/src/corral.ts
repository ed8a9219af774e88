/**
 * The entrance of the SDK: typed procedures, a stream that resumes, and a transcript that stays current. Runs in Node
 * and in browsers; what a call refuses is thrown as a `CorralCallError`.
 */
import type { AgentSessionId, PtyId, SessionExport, SessionId, TerminalSize } from '@corral/protocol'
import type { Transcript } from '@corral/transcript'
import { z } from 'zod'
import { type Calls, createCalls, fetchJson } from './calls.ts'
import {
  type Conversation,
  type ConversationOptions,
  type ConversationSource,
  createConversation,
} from './conversation/conversation.ts'
import { createDoor } from './door.ts'
import { type FollowOptions, follow, type StreamItem } from './follow.ts'
import { liveTranscript } from './liveTranscript.ts'
import { createSessionRoutes, type SessionRoutes } from './sessionRoutes.ts'
import { type LiveSessions, liveSessions } from './sessions/liveSessions.ts'
import { createSessionsSource } from './sessions/source.ts'
import { createSignIn, type SignIn } from './signIn.ts'
import { createTerminalDoor } from './terminal/door.ts'
import { type CorralTerminal, createTerminal } from './terminal/terminal.ts'

export type Corral = SessionRoutes & {
  /** The address that was given, without a trailing slash. */
  url: string
  /** For pages of the server itself. */
  signIn: SignIn
  /** Every procedure of the cloud-agent API, e.g. `corral.call.sendMessage.mutate({ … })`. */
  call: Calls
  /**
   * Follows a session's log from `from` (exclusive; default 0), across lost connections, without a gap or a double.
   * Ends when `signal` aborts; throws when access has ended or the session is deleted.
   */
  stream(sessionId: SessionId, options?: FollowOptions): AsyncGenerator<StreamItem, void, undefined>
  /**
   * The transcript as it is, and again each time it has changed; read it with `orderedMessages`. What did not change is
   * the same object as before. Ends like `stream`.
   */
  transcript(sessionId: SessionId, options?: { signal?: AbortSignal }): AsyncGenerator<Transcript, void, undefined>
  /**
   * The same for who shows it to people: it opens with the newest messages however long the log is, reads on backwards,
   * and knows turns and asks, too.
   */
  conversation(sessionId: SessionId, options?: ConversationOptions): Conversation
  /** The user's sessions, or these (at most 100), kept current while somebody listens. */
  sessions(sessionIds?: readonly AgentSessionId[]): LiveSessions
  /** A new terminal in the session's sandbox, or, with `ptyId`, one that is there. Needs the scope `sessions:write`. */
  terminal(sessionId: SessionId, options?: OpenTerminal): Promise<CorralTerminal>
  /** OpenCode's own form of an exported session, which `opencode import` reads. */
  exportSession(sessionId: SessionId): Promise<SessionExport>
  /** What `encryptSecret` needs; `keyId` tells one key of the server from another. */
  secretsPublicKey(): Promise<SecretsPublicKey>
}
export type SecretsPublicKey = { publicKey: string; keyId: string }
export type OpenTerminal = { size?: TerminalSize } | { ptyId: PtyId }

const member = z.record(z.string(), z.unknown())
const exportSchema: z.ZodType<SessionExport> = z.object({
  info: member,
  messages: z.array(z.object({ info: member, parts: z.array(member) })),
})

const secretsKeySchema: z.ZodType<SecretsPublicKey> = z.object({ publicKey: z.string(), keyId: z.string() })

/**
 * Without `apiKey` a browser's cookie says who calls: for pages that the server itself has served, see `signIn`.
 * `internalKey` is for back ends that act for their users (`INTERNAL_API_SECRET`); callers with a key need none.
 */
export function createCorral(options: { url: string; apiKey?: string; internalKey?: string }): Corral {
  const url = options.url.replace(/\/+$/, '')
  const headers: Record<string, string> = {}
  if (options.apiKey !== undefined) headers.authorization = `Bearer ${options.apiKey}`
  if (options.internalKey !== undefined) headers['x-internal-api-key'] = options.internalKey
  const call = createCalls(url, headers)

  const doorOf = (sessionId: SessionId) => createDoor({ url, headers, call }, sessionId)

  return {
    url,
    signIn: createSignIn(url),
    call,
    ...createSessionRoutes({ url, headers }),
    async *stream(sessionId, followOptions = {}) {
      for await (const batch of follow(doorOf(sessionId), followOptions)) {
        if (batch.kind !== 'events') yield batch
        else
          for (const event of batch.events) {
            if (followOptions.signal?.aborted) return
            yield { kind: 'event', event }
          }
      }
    },
    transcript: (sessionId, followOptions = {}) => liveTranscript(follow(doorOf(sessionId), followOptions)),
    conversation(cloudAgentSessionId, conversationOptions) {
      const source: ConversationSource = {
        page: (which, signal) => call.getTranscript.query({ cloudAgentSessionId, ...which }, { signal }),
        asks: async (signal) => (await call.listAsks.query({ cloudAgentSessionId }, { signal })).asks,
        follow: (from, signal) => follow(doorOf(cloudAgentSessionId), { from, signal }),
      }
      return createConversation(source, conversationOptions)
    },
    sessions: (sessionIds) => liveSessions(createSessionsSource({ url, headers }, sessionIds)),
    async terminal(cloudAgentSessionId, terminalOptions = {}) {
      const ptyId =
        'ptyId' in terminalOptions
          ? terminalOptions.ptyId
          : (await call.createTerminal.mutate({ cloudAgentSessionId, ...terminalOptions.size })).ptyId
      return createTerminal(ptyId, createTerminalDoor({ url, headers, call }, cloudAgentSessionId, ptyId))
    },
    exportSession: (sessionId) => fetchJson(`${url}/api/session/${sessionId}/export`, { headers }, exportSchema),
    secretsPublicKey: () => fetchJson(`${url}/api/cloud-agent/secrets-public-key`, { headers }, secretsKeySchema),
  }
}
