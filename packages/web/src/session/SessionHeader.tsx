/** What is worked on, where, and how it stands. */
import type { Turn } from '@corral/transcript'
import { PanelRight } from 'lucide-react'
import { Button } from '../ui/Button.tsx'
import styles from './SessionHeader.module.css'
import { useSession } from './sessionContext.tsx'

type Props = { title: string; current: Turn | null; isAsking: boolean; isPanelOpen: boolean; onPanel: () => void }

export function SessionHeader({ title, current, isAsking, isPanelOpen, onPanel }: Props) {
  const { githubRepo, gitUrl, upstreamBranch, agentKind } = useSession()
  const where = githubRepo ?? gitUrl?.replace(/^\w+:\/\//, '')
  const standing = standingOf(current, isAsking)
  return (
    <header className={styles.header}>
      <div className={styles.titles}>
        <h1 className={styles.title}>{title}</h1>
        <p className={styles.about}>{[where, upstreamBranch, agentKind].filter(Boolean).join(' · ')}</p>
      </div>
      <span className={styles.state} data-state={standing}>
        {words[standing]}
      </span>
      <Button
        kind="quiet"
        icon={<PanelRight size={17} />}
        aria-label="Details"
        aria-pressed={isPanelOpen}
        onClick={onPanel}
      />
    </header>
  )
}

const words = { idle: 'Idle', starting: 'Starting', working: 'Working', asking: 'Needs an answer' } as const

function standingOf(current: Turn | null, isAsking: boolean): keyof typeof words {
  if (current === null) return 'idle'
  if (isAsking) return 'asking'
  return current.state === 'running' ? 'working' : 'starting'
}
