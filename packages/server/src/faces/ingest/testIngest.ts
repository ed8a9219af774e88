/** For tests: what an agent that runs elsewhere sends, and a client that sends it. */
import { type AgentSessionId, newAgentSessionId } from '@corral/protocol'
import { z } from 'zod'
import { type Answer, bearer, type ServedFace } from '../cloud-agent/testFace.ts'

export type Item = { type: string; data: unknown }

export const sessionItem = (id: string, more: object = {}): Item => ({
  type: 'session',
  data: { id, title: 'Mend the test', directory: '/home/alice/widgets', time: { created: 1, updated: 2 }, ...more },
})

export const messageItem = (id: string, role: 'user' | 'assistant', more: object = {}): Item => ({
  type: 'message',
  data: { id, role, sessionID: 'as it was', time: { created: 1 }, ...more },
})

export const textItem = (messageID: string, id: string, text: string, more: object = {}): Item => ({
  type: 'part',
  data: { id, messageID, type: 'text', text, ...more },
})

export const exportSchema = z.object({
  info: z.looseObject({ id: z.string(), title: z.string() }),
  messages: z.array(
    z.object({ info: z.looseObject({ id: z.string() }), parts: z.array(z.looseObject({ id: z.string() })) }),
  ),
})

const pushAnswer = z.object({
  success: z.literal(true),
  accepted: z.number(),
  unchanged: z.number(),
  skipped: z.array(z.object({ index: z.number(), reason: z.string() })),
})

const pageSchema = z.object({
  history: z.object({
    messages: z.array(z.object({ info: z.looseObject({ id: z.string() }), parts: z.array(z.unknown()) })),
    nextCursor: z.string().nullable(),
    omittedItemCount: z.number(),
  }),
})

/** As one user. */
export function createPusher(face: Pick<ServedFace, 'request'>, apiKey: string) {
  const headers = bearer(apiKey)
  const post = (path: string, body: unknown) =>
    face.request(path, { method: 'POST', headers, body: JSON.stringify(body) })
  const get = (path: string) => face.request(path, { headers })
  const push = (id: string, items: readonly unknown[]) => post(`/api/session/${id}/ingest?v=2`, { data: items })

  return {
    get,
    post,
    push,
    delete: (path: string) => face.request(path, { method: 'DELETE', headers }),
    /** A push that is taken. */
    async taken(id: string, items: readonly unknown[]) {
      return pushAnswer.parse(succeeded(await push(id, items)))
    },
    async newSession(id: AgentSessionId = newAgentSessionId()): Promise<AgentSessionId> {
      succeeded(await post('/api/session', { sessionId: id }))
      return id
    },
    async export(id: string) {
      return exportSchema.parse(succeeded(await get(`/api/session/${id}/export`)))
    },
    async page(id: string, query = '') {
      return pageSchema.parse(succeeded(await get(`/api/session/${id}/messages${query}`))).history
    },
  }
}

export function succeeded(answer: Answer): unknown {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text.slice(0, 500)}`)
  return answer.json
}
