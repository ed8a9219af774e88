/** What the link of the first sign-in carries in its fragment, which no server and no log ever sees. */
import { useSyncExternalStore } from 'react'

export const useFirstToken = (): string | null =>
  useSyncExternalStore(subscribe, () => new URLSearchParams(location.hash.slice(1)).get('first'))

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener)
  return () => window.removeEventListener('hashchange', listener)
}
