/** The one way to the server for every component: the SDK, with the cookie of whoever is signed in. */
import type { Corral } from '@corral/client'
import { createContext, type ReactNode, useContext } from 'react'

const CorralContext = createContext<Corral | null>(null)

export function CorralProvider({ corral, children }: { corral: Corral; children: ReactNode }) {
  return <CorralContext value={corral}>{children}</CorralContext>
}

export function useCorral(): Corral {
  const corral = useContext(CorralContext)
  if (!corral) throw new Error('useCorral is used outside of CorralProvider')
  return corral
}
