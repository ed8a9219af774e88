/** The outbox of a session, kept in this browser, with the way to the server. */
import { CorralCallError } from '@corral/client'
import { newMessageId } from '@corral/protocol'
import { useEffect, useReducer } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { useSessionId } from '../sessionContext.tsx'
import { keptOutbox, nextOutbox, type Outbox, type OutgoingMessage, outboxFrom } from './outbox.ts'

export function useOutbox(): {
  outbox: Outbox
  write(draft: string): void
  send(message: Omit<OutgoingMessage, 'clientId'>): void
  tryAgain(): void
  takeBack(): void
} {
  const { call } = useCorral()
  const sessionId = useSessionId()
  const place = `corral.outbox.${sessionId}`
  const [outbox, tell] = useReducer(nextOutbox, place, (key) => outboxFrom(localStorage.getItem(key)))

  useEffect(() => {
    const kept = keptOutbox(outbox)
    if (kept === null) localStorage.removeItem(place)
    else localStorage.setItem(place, kept)
  }, [outbox, place])

  const underWay = outbox.trouble === null ? outbox.line[0] : undefined
  useEffect(() => {
    if (!underWay) return
    const { clientId } = underWay
    call.sendMessage.mutate({ cloudAgentSessionId: sessionId, ...underWay }).then(
      () => tell({ event: 'arrived', clientId }),
      (error: unknown) => tell({ event: 'refused', clientId, why: sentenceOf(error) }),
    )
  }, [underWay, call, sessionId])

  return {
    outbox,
    write: (draft) => tell({ event: 'wrote', draft }),
    send: (message) => tell({ event: 'sent', message: { clientId: newMessageId(), ...message } }),
    tryAgain: () => tell({ event: 'tried again' }),
    takeBack: () => tell({ event: 'taken back' }),
  }
}

const sentenceOf = (error: unknown): string =>
  error instanceof CorralCallError ? error.message : `It could not be sent: ${String(error)}`
