/** What an agent's event says of a part or a whole message, as far as the spool has to know it. */
import { type Part, vocabulary } from '@corral/protocol'

export type AboutPart =
  | { kind: 'update'; messageId: string; partId: string; part: Part }
  | { kind: 'delta'; messageId: string; partId: string; field: string; delta: string }
  | { kind: 'partRemoved'; messageId: string; partId: string }
  | { kind: 'messageRemoved'; messageId: string }

/** `data` of a `kilocode` event. Undefined for all else, and for what has not the form that its type asks for. */
export function aboutPart({ type, properties }: { type: string; properties?: unknown }): AboutPart | undefined {
  switch (type) {
    case 'message.part.updated': {
      const part = vocabulary[type].safeParse(properties).data?.part
      return part && { kind: 'update', messageId: part.messageID, partId: part.id, part }
    }
    case 'message.part.delta': {
      const read = vocabulary[type].safeParse(properties).data
      return (
        read && { kind: 'delta', messageId: read.messageID, partId: read.partID, field: read.field, delta: read.delta }
      )
    }
    case 'message.part.removed': {
      const read = vocabulary[type].safeParse(properties).data
      return read && { kind: 'partRemoved', messageId: read.messageID, partId: read.partID }
    }
    case 'message.removed': {
      const read = vocabulary[type].safeParse(properties).data
      return read && { kind: 'messageRemoved', messageId: read.messageID }
    }
    default:
      return undefined
  }
}
