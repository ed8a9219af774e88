/** What is done with any session, wherever it runs, by either of its ids: naming, sharing, deleting, exporting. */
import type { AgentSessionId, SessionId } from '@corral/protocol'
import { z } from 'zod'
import { fetchJson } from './calls.ts'

type Id = SessionId | AgentSessionId

export type SessionRoutes = {
  /** From then on no agent's title takes its place. */
  rename(id: Id, title: string): Promise<void>
  /** Who has the address may read the session; the same one until it is unshared. */
  share(id: Id): Promise<{ url: string }>
  /** Ends every address that was given before. */
  unshare(id: Id): Promise<void>
  /** With the sessions of its sub-agents, their logs and files. */
  remove(id: Id): Promise<void>
  /** Where a browser that is signed in can download what `exportSession` gives. */
  exportUrl(id: Id): string
}

const shared = z.object({ url: z.string() })

export function createSessionRoutes({ url, headers }: { url: string; headers: Record<string, string> }): SessionRoutes {
  const of = (id: Id) => `${url}/api/session/${encodeURIComponent(id)}`
  const post = <Answer>(address: string, body: object, answer: z.ZodType<Answer>) =>
    fetchJson(
      address,
      { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) },
      answer,
    )
  return {
    async rename(id, title) {
      await post(`${of(id)}/title`, { title, generated: false }, z.unknown())
    },
    share: (id) => post(`${of(id)}/share`, {}, shared),
    async unshare(id) {
      await post(`${of(id)}/unshare`, {}, z.unknown())
    },
    async remove(id) {
      await fetchJson(of(id), { method: 'DELETE', headers }, z.unknown())
    },
    exportUrl: (id) => `${of(id)}/export`,
  }
}
