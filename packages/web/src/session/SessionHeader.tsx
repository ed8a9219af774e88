/** What is worked on, where, and how it stands. */
import type { Turn } from '@corral/transcript'
import { PanelRight } from 'lucide-react'
import { Button } from '../ui/Button.tsx'
import styles from './SessionHeader.module.css'
import { useSession } from './sessionContext.tsx'

export function SessionHeader(props: {
  title: string
  current: Turn | null
  isPanelOpen: boolean
  onPanel: () => void
}) {
  const session = useSession()
  const where = session.githubRepo ?? session.gitUrl?.replace(/^\w+:\/\//, '')
  const { current } = props
  return (
    <header className={styles.header}>
      <div className={styles.titles}>
        <h1 className={styles.title}>{props.title}</h1>
        <p className={styles.about}>{[where, session.upstreamBranch, session.agentKind].filter(Boolean).join(' · ')}</p>
      </div>
      <span className={styles.state} data-state={current?.state ?? 'idle'}>
        {current === null ? 'Idle' : current.state === 'running' ? 'Working' : 'Starting'}
      </span>
      <Button
        kind="quiet"
        icon={<PanelRight size={17} />}
        aria-label="Details"
        aria-pressed={props.isPanelOpen}
        onClick={props.onPanel}
      />
    </header>
  )
}
