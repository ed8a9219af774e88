/** Notices, in what is told of a turn, that the turn has begun, and its first sign of life. */
import { type KilocodeData, messageInfoSchema } from '@corral/protocol'
import { z } from 'zod'
import type { TurnReference, TurnSink } from '../agent.ts'

export type Watch = {
  tell(data: KilocodeData): void
  /** `close` is called with the first part of an answer, or with the end of the turn. */
  awaitFirst(close: (state: 'ok' | 'failed') => void): void
  end(): void
}

const partOfSchema = z.looseObject({ messageID: z.string() })

export function createWatch(turn: TurnReference, sink: Pick<TurnSink, 'kilocode' | 'begun'>): Watch {
  let begun = false
  let first: ((state: 'ok' | 'failed') => void) | null = null

  function isAnswer({ type, properties }: KilocodeData): boolean {
    if (type !== 'message.updated') return false
    const info = messageInfoSchema.safeParse(properties.info).data
    return info?.role === 'assistant' && (info.sessionID !== turn.agentSessionId || info.parentID === turn.messageId)
  }

  return {
    tell(data: KilocodeData): void {
      if (!begun && isAnswer(data)) {
        begun = true
        sink.begun()
      }
      if (first && begun && data.type.startsWith('message.part.')) {
        const message = partOfSchema.safeParse(properties(data)).data?.messageID
        if (message !== turn.messageId) {
          first('ok')
          first = null
        }
      }
      sink.kilocode(data)
    },
    awaitFirst(close: (state: 'ok' | 'failed') => void): void {
      first = close
    },
    end(): void {
      first?.('failed')
      first = null
    },
  }
}

const properties = (data: KilocodeData): unknown => data.properties.part ?? data.properties
