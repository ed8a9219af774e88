/** The session that the page shows, for every component of it. */
import type { SessionId, SessionView } from '@corral/protocol'
import { createContext, type ReactNode, useContext } from 'react'

const Shown = createContext<SessionView | null>(null)

export function SessionProvider({ session, children }: { session: SessionView; children: ReactNode }) {
  return <Shown value={session}>{children}</Shown>
}

/** As it was read last; what changes while one looks is in the conversation. */
export function useSession(): SessionView {
  const session = useContext(Shown)
  if (!session) throw new Error('useSession is used where no session is shown')
  return session
}

export const useSessionId = (): SessionId => useSession().sessionId
