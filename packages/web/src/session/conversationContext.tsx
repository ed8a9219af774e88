/** The conversation that the page shows, for every component of it: what it is now, and the way to read on. */
import type { Conversation, ConversationState } from '@corral/client'
import type { SessionId } from '@corral/protocol'
import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from 'react'
import { useCorral } from '../app/corral.tsx'
import { withNextFrame } from './frame.ts'

const Current = createContext<Conversation | null>(null)

/** Connected as long as it is there. */
export function ConversationProvider({ sessionId, children }: { sessionId: SessionId; children: ReactNode }) {
  const corral = useCorral()
  const conversation = useMemo(() => corral.conversation(sessionId, { settle: withNextFrame }), [corral, sessionId])
  return <Current value={conversation}>{children}</Current>
}

export function useConversation(): Conversation {
  const conversation = useContext(Current)
  if (!conversation) throw new Error('useConversation is used outside of ConversationProvider')
  return conversation
}

export function useConversationState(): ConversationState {
  const { subscribe, state } = useConversation()
  return useSyncExternalStore(subscribe, state)
}
