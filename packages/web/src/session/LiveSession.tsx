/** What is rendered with every frame in which the agent says something; the panel beside it is not. */
import { turnsOf } from '@corral/transcript'
import { useMemo, useReducer } from 'react'
import { useTitle } from '../app/useTitle.ts'
import { ErrorState } from '../ui/ErrorState.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Announcer } from './Announcer.tsx'
import { ConversationView } from './ConversationView.tsx'
import { Composer } from './composer/Composer.tsx'
import { Start } from './composer/Start.tsx'
import { useConversationState } from './conversationContext.tsx'
import { LinkBanner } from './LinkBanner.tsx'
import { currentTurn, type Parts, waitingTurns } from './rows.ts'
import { SessionHeader } from './SessionHeader.tsx'
import styles from './SessionPage.module.css'
import { useSession } from './sessionContext.tsx'

const noParts: ReadonlyMap<string, Parts> = new Map()

export function LiveSession({ isPanelOpen, onPanel }: { isPanelOpen: boolean; onPanel: () => void }) {
  const session = useSession()
  const state = useConversationState()
  const [sent, countSent] = useReducer((count: number) => count + 1, 0)
  const picture = state.phase === 'open' ? state.picture : null
  const title = picture?.title || session.title || 'Session'
  useTitle(title)
  const turns = useMemo(() => turnsOf(picture?.events ?? []), [picture?.events])
  const waiting = useMemo(() => waitingTurns(turns), [turns])
  const isAsking = useMemo(
    () => [...(picture?.asks.values() ?? [])].some((ask) => ask.state === 'open'),
    [picture?.asks],
  )
  const current = currentTurn(turns)
  return (
    <div className={styles.main}>
      <SessionHeader {...{ title, current, isAsking, isPanelOpen, onPanel }} />
      <LinkBanner state={state} />
      {state.phase === 'opening' && <PageSpinner />}
      {state.phase === 'ended' && <ErrorState error={state.error} />}
      {picture && (
        <>
          <ConversationView picture={picture} turns={turns} sent={sent} />
          <Announcer current={current} last={turns.at(-1) ?? null} asks={picture.asks} />
          {session.agentKind === 'external' ? (
            <p className={styles.elsewhere}>This session runs elsewhere; what its agent says there is shown here.</p>
          ) : session.initiatedAt === undefined && turns.length === 0 ? (
            <Start />
          ) : (
            <Composer
              isBusy={current !== null}
              onSent={countSent}
              waiting={waiting}
              parts={waiting.length > 0 ? picture.transcript.parts : noParts}
            />
          )}
        </>
      )}
    </div>
  )
}
