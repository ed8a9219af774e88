/**
 * The messages of a session page by page, backwards from the newest, for clients outside: their cursors are signed and
 * bound to their session. Order is the log's; ids and clocks play no part.
 */
import { createHmac } from 'node:crypto'
import { invalidInput } from '@corral/protocol'
import { sameSecret } from '../../identity/sameSecret.ts'
import type { Conversation, Message, Messages } from './messages.ts'

export type SignedPage = { messages: Message[]; nextCursor: string | null; omittedItemCount: number }

export type MessagePages = {
  /** `invalid_input` for a cursor that is not of this session. */
  read(of: Conversation, page: { limit: number; before?: string | undefined }): Promise<SignedPage>
}

export function createMessagePages(deps: { messages: Pick<Messages, 'page'>; cursorKey: Uint8Array }): MessagePages {
  function cursorOf({ id }: Conversation, position: number): string {
    const mac = createHmac('sha256', deps.cursorKey).update(`${id} ${position}`).digest('base64url')
    return `${position}.${mac}`
  }

  function positionOf(of: Conversation, cursor: string): number {
    const position = Number(/^(\d{1,16})\./.exec(cursor)?.[1])
    if (!Number.isSafeInteger(position) || !sameSecret(cursor, cursorOf(of, position))) {
      throw invalidInput('before', 'is not a cursor of this session')
    }
    return position
  }

  return {
    async read(of, { limit, before }) {
      const page = await deps.messages.page(of, { limit, before: before === undefined ? null : positionOf(of, before) })
      return {
        messages: page.messages,
        nextCursor: page.before === null ? null : cursorOf(of, page.before),
        omittedItemCount: page.omitted,
      }
    },
  }
}
