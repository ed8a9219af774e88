/**
 * What anybody with the link sees of a session: its messages as the public projection shows them, without a place of the
 * machine on which it ran. Sub-agents' sessions are not in it.
 */
import { type PublicPlace, projected } from '@corral/transcript'
import { placesOf } from '../../sessions/placement/places.ts'
import type { Shared } from '../../sessions/recorded/shares.ts'
import type { Messages } from '../../sessions/transcript/messages.ts'

type Members = Record<string, unknown>

/** Nothing is kept by who reads it, found by search engines, told to other sites or read by their scripts. */
export const sharedHeaders = {
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
}

/** `info`: the session object as its agent told it. */
export function placeOf({ session }: Shared, info: Members): PublicPlace {
  const directory = `/cloud-agent/sessions/${session.agentSessionId}`
  const { workspacePath, home } = placesOf(session)
  const told = typeof info.directory === 'string' && info.directory.length > 1 ? info.directory : workspacePath
  return { workspacePath: session.preparedAt ? workspacePath : told, home, directory }
}

/** One JSON document, in pieces. */
export async function* sharedPieces(
  { session }: Shared,
  shown: { info: Members; place: PublicPlace },
  messages: ReturnType<Messages['all']>,
): AsyncGenerator<string, void, void> {
  const { info, place } = shown
  const text = (value: Members) => JSON.stringify(projected(value, place).value)
  const { path: _, share: __, ...rest } = info
  yield `{"info":${text({ ...rest, directory: place.directory, title: session.title })},"messages":[`
  let open: 'none' | 'without parts' | 'with parts' = 'none'
  for await (const item of messages) {
    if (item.kind === 'message') {
      yield `${open === 'none' ? '' : ']},'}{"info":${text(item.info)},"parts":[`
      open = 'without parts'
    } else {
      yield `${open === 'with parts' ? ',' : ''}${text(item.part)}`
      open = 'with parts'
    }
  }
  yield open === 'none' ? ']}' : ']}]}'
}
