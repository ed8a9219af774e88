/**
 * A session: its conversation with the composer below it, and a panel with tabs beside it, which is a drawer on narrow
 * screens. Nothing here has a state that could disagree with the log.
 */
import type { SessionView } from '@corral/protocol'
import { useState } from 'react'
import { SidePanel } from '../sidePanel/SidePanel.tsx'
import { ConversationProvider } from './conversationContext.tsx'
import { FoldsProvider } from './folds.tsx'
import { LiveSession } from './LiveSession.tsx'
import styles from './SessionPage.module.css'
import { SessionProvider } from './sessionContext.tsx'

export function SessionPage({ session }: { session: SessionView }) {
  const [isPanelOpen, setPanelOpen] = useState(() => window.matchMedia('(min-width: 1200px)').matches)
  return (
    <SessionProvider session={session}>
      <ConversationProvider sessionId={session.sessionId}>
        <div className={styles.page}>
          <FoldsProvider>
            <LiveSession isPanelOpen={isPanelOpen} onPanel={() => setPanelOpen(!isPanelOpen)} />
          </FoldsProvider>
          {isPanelOpen && (
            // Escape closes it from wherever one is in it.
            <aside
              className={styles.panel}
              aria-label="About this session"
              onKeyDown={(event) => {
                if (event.key !== 'Escape' || event.defaultPrevented) return
                event.preventDefault()
                setPanelOpen(false)
              }}
            >
              <SidePanel session={session} onClose={() => setPanelOpen(false)} />
            </aside>
          )}
        </div>
      </ConversationProvider>
    </SessionProvider>
  )
}
