/** The messages of a session: all of them as a stream, pages of them, and one by its id. */
import type { Logger } from 'pino'
import { decodedComponent } from '../../../decodedComponent.ts'
import type { Roots } from '../../../sessions/reads/roots.ts'
import type { Messages } from '../../../sessions/transcript/messages.ts'
import { createCursors } from '../cursors.ts'
import type { Projection } from '../projection.ts'
import { readValue, wholeNumber } from '../query.ts'
import { FacadeRefusal } from '../refusal.ts'
import type { Route, SessionCall } from '../route.ts'
import { streamed } from './streamed.ts'

const mostMessages = 100

export function messageRoutes(deps: {
  roots: Pick<Roots, 'lastSeq'>
  messages: Messages
  projection: Projection
  digest(content: string): string
  logger: Logger
}): Route[] {
  const { roots, messages, projection, logger } = deps
  const cursors = createCursors(deps)

  async function whole({ root, reset }: SessionCall): Promise<Response> {
    return streamed(messages.all(root, await roots.lastSeq(root.id)), {
      shown: (members) => projection.members(root, members),
      reset,
      failed: (error) => logger.warn({ session: root.id, error }, 'a transcript could not be read to its end'),
    })
  }

  async function page({ root, request }: SessionCall, limit: number, cursor: string | undefined): Promise<Response> {
    const list = `messages of ${root.id}`
    const before = cursor === undefined ? null : cursors.read(cursor, list, 'before')
    const found = await messages.page(root, { limit, before })
    const headers = new Headers({
      'x-kilo-omitted-item-count': String(found.omitted),
      'access-control-expose-headers': 'Link, X-Next-Cursor, X-Kilo-Omitted-Item-Count',
    })
    if (found.before !== null) {
      const next = cursors.write(found.before, list)
      const link = new URL(request.url)
      link.searchParams.set('before', next)
      headers.set('x-next-cursor', next)
      // Without an origin, since what stands before us may have another name.
      headers.set('link', `<${link.pathname}${link.search}>; rel="next"`)
    }
    return Response.json(
      found.messages.map((message) => projection.message(root, message)),
      { headers },
    )
  }

  return [
    {
      method: 'GET',
      path: '/session/:sessionID/message',
      scope: 'sessions:read',
      on: 'session',
      parameters: ['limit', 'before'],
      async handle(call) {
        const limit = readValue(call.query, 'limit', wholeNumber(0, mostMessages)) ?? 0
        const before = call.query.get('before')
        if (limit > 0) return page(call, limit, before)
        if (before === undefined) return whole(call)
        throw new FacadeRefusal('KILO_QUERY_INVALID', 'before: needs a limit of 1 or more.')
      },
    },
    {
      method: 'GET',
      path: '/session/:sessionID/message/:messageID',
      scope: 'sessions:read',
      on: 'session',
      async handle({ root, params }) {
        const id = messageIdIn(params.get('messageID') ?? '')
        const found = id === null ? null : await messages.one(root, id)
        if (!found) throw new FacadeRefusal('KILO_MESSAGE_NOT_FOUND', 'There is no such message in this session.')
        return Response.json(projection.message(root, found))
      },
    },
  ]
}

/** Null for what no message is called. */
function messageIdIn(part: string): string | null {
  const id = decodedComponent(part)
  return id?.startsWith('msg') && id.length <= 200 && !/[/\0]/.test(id) ? id : null
}
