/** What the live list of sessions needs of the server: its rows, its feed, and what opens that. */
import { type AgentSessionId, type SessionRow, sessionRowSchema } from '@corral/protocol'
import { z } from 'zod'
import { CorralCallError } from '../callError.ts'
import { fetchJson } from '../calls.ts'

export type SessionsSource = {
  feedUrl: URL
  /** Opens the feed once, within a minute. */
  ticket(signal: AbortSignal): Promise<string>
  list(signal: AbortSignal): Promise<SessionRow[]>
  /** Null when there is no such session, or none of this user's. */
  row(id: AgentSessionId, signal: AbortSignal): Promise<SessionRow | null>
}

const pageSchema = z.object({ sessions: z.array(sessionRowSchema), nextCursor: z.string().nullable() })
const ticketSchema = z.object({ ticket: z.string() })

/** `sessionIds` (at most 100) narrows it to these. */
export function createSessionsSource(
  server: { url: string; headers: Record<string, string> },
  sessionIds?: readonly AgentSessionId[],
): SessionsSource {
  const { url, headers } = server
  const feedUrl = new URL(`${url.replace(/^http/, 'ws')}/api/user/events`)
  if (sessionIds) feedUrl.searchParams.set('sessionIds', sessionIds.join(','))

  async function row(id: AgentSessionId, signal: AbortSignal): Promise<SessionRow | null> {
    try {
      return await fetchJson(`${url}/api/session/${id}`, { headers, signal }, sessionRowSchema)
    } catch (error) {
      if (error instanceof CorralCallError && error.httpStatus === 404) return null
      throw error
    }
  }

  async function pages(signal: AbortSignal): Promise<SessionRow[]> {
    const rows: SessionRow[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const query = new URLSearchParams({ limit: '100', ...(cursor && { cursor }) })
      const page: z.output<typeof pageSchema> = await fetchJson(
        `${url}/api/sessions?${query}`,
        { headers, signal },
        pageSchema,
      )
      rows.push(...page.sessions)
      cursor = page.nextCursor
    }
    return rows
  }

  return {
    feedUrl,
    async ticket(signal) {
      return (await fetchJson(`${url}/api/user/web-ticket`, { method: 'POST', headers, signal }, ticketSchema)).ticket
    },
    row,
    async list(signal) {
      if (!sessionIds) return pages(signal)
      return (await Promise.all(sessionIds.map((id) => row(id, signal)))).filter((it) => it !== null)
    },
  }
}
