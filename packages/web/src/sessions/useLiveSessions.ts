/**
 * The sessions of whoever is signed in, live, for every component that shows them. What was known last is there at once
 * when one comes back to them; it is never another person's.
 */
import type { Corral, LiveSessions, SessionsState } from '@corral/client'
import { useEffect, useState, useSyncExternalStore } from 'react'
import { useCorral } from '../app/corral.tsx'
import { usePerson } from '../app/person.tsx'

const lists = new WeakMap<Corral, { userId: string; live: LiveSessions }>()

function listOf(corral: Corral, userId: string): LiveSessions {
  const known = lists.get(corral)
  if (known?.userId === userId) return known.live
  const live = corral.sessions()
  lists.set(corral, { userId, live })
  return live
}

export function useLiveSessions(): SessionsState {
  const live = listOf(useCorral(), usePerson().userId)
  return useSyncExternalStore(live.subscribe, live.state)
}

/** True once it has been so for a while: a short gap is none that people have to know of. */
export function useHolds(condition: boolean, forMs: number): boolean {
  const [holds, setHolds] = useState(false)
  useEffect(() => {
    if (!condition) return setHolds(false)
    const timer = setTimeout(() => setHolds(true), forMs)
    return () => clearTimeout(timer)
  }, [condition, forMs])
  return holds
}
