/** Says that this machine has no network. What is shown stays; it comes up to date by itself when the network is back. */
import { WifiOff } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import styles from './Layout.module.css'

function subscribe(listener: () => void): () => void {
  for (const name of ['online', 'offline']) window.addEventListener(name, listener)
  return () => {
    for (const name of ['online', 'offline']) window.removeEventListener(name, listener)
  }
}

export function OfflineNote() {
  const isOnline = useSyncExternalStore(subscribe, () => navigator.onLine)
  return (
    <div role="status">
      {!isOnline && (
        <p className={styles.offline}>
          <WifiOff size={15} /> You are offline. What you see may be old; it goes on when the network is back.
        </p>
      )}
    </div>
  )
}
