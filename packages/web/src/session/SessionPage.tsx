/**
 * A session: its conversation with the composer below it, and a panel with tabs beside it, which is a drawer on narrow
 * screens. Nothing here has a state that could disagree with the log.
 */
import type { SessionView } from '@corral/protocol'
import { turnsOf } from '@corral/transcript'
import { useMemo, useState } from 'react'
import { useTitle } from '../app/useTitle.ts'
import { SidePanel } from '../sidePanel/SidePanel.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Announcer } from './Announcer.tsx'
import { ConversationView } from './ConversationView.tsx'
import { Composer } from './composer/Composer.tsx'
import { Start } from './composer/Start.tsx'
import { ConversationProvider, useConversationState } from './conversationContext.tsx'
import { FoldsProvider } from './folds.tsx'
import { LinkBanner } from './LinkBanner.tsx'
import { currentTurn, type Parts, waitingTurns } from './rows.ts'
import { SessionHeader } from './SessionHeader.tsx'
import styles from './SessionPage.module.css'
import { SessionProvider } from './sessionContext.tsx'

const noParts: ReadonlyMap<string, Parts> = new Map()

export function SessionPage({ session }: { session: SessionView }) {
  return (
    <SessionProvider session={session}>
      <ConversationProvider sessionId={session.sessionId}>
        <FoldsProvider>
          <Shown session={session} />
        </FoldsProvider>
      </ConversationProvider>
    </SessionProvider>
  )
}

function Shown({ session }: { session: SessionView }) {
  const state = useConversationState()
  const [isPanelOpen, setPanelOpen] = useState(() => window.matchMedia('(min-width: 1200px)').matches)
  const title = (state.phase === 'open' && state.picture.title) || session.title || 'Session'
  useTitle(title)
  const events = state.phase === 'open' ? state.picture.events : null
  const turns = useMemo(() => turnsOf(events ?? []), [events])
  const current = currentTurn(turns)
  const waiting = useMemo(() => waitingTurns(turns), [turns])
  return (
    <div className={styles.page}>
      <div className={styles.main}>
        <SessionHeader
          title={title}
          current={current}
          isPanelOpen={isPanelOpen}
          onPanel={() => setPanelOpen(!isPanelOpen)}
        />
        <LinkBanner state={state} />
        {state.phase === 'opening' && <PageSpinner />}
        {state.phase === 'ended' && <ErrorState error={state.error} />}
        {state.phase === 'open' && (
          <>
            <ConversationView picture={state.picture} turns={turns} />
            <Announcer current={current} last={turns.at(-1) ?? null} asks={state.picture.asks} />
            {session.agentKind === 'external' ? (
              <p className={styles.elsewhere}>This session runs elsewhere; what its agent says there is shown here.</p>
            ) : session.initiatedAt === undefined && turns.length === 0 ? (
              <Start />
            ) : (
              <Composer
                isBusy={current !== null}
                waiting={waiting}
                parts={waiting.length > 0 ? state.picture.transcript.parts : noParts}
              />
            )}
          </>
        )}
      </div>
      {isPanelOpen && (
        <aside className={styles.panel} aria-label="About this session">
          <SidePanel session={session} onClose={() => setPanelOpen(false)} />
        </aside>
      )}
    </div>
  )
}
