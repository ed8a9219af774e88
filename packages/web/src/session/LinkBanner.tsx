/** Says quietly that the connection is gone; it comes back by itself. What lasts for a moment alone is not told. */
import type { ConversationState } from '@corral/client'
import { CloudOff } from 'lucide-react'
import { useEffect, useState } from 'react'
import styles from './LinkBanner.module.css'

const momentMs = 1_000

export function LinkBanner({ state }: { state: ConversationState }) {
  const isLost =
    (state.phase === 'open' && state.link === 'lost') || (state.phase === 'opening' && state.trouble !== null)
  const [isShown, setShown] = useState(false)
  useEffect(() => {
    if (!isLost) return setShown(false)
    const timer = setTimeout(() => setShown(true), momentMs)
    return () => clearTimeout(timer)
  }, [isLost])
  return (
    <div role="status">
      {isShown && (
        <p className={styles.banner}>
          <CloudOff size={14} aria-hidden="true" /> The connection is lost. It is taken up again by itself; nothing is
          lost.
        </p>
      )}
    </div>
  )
}
