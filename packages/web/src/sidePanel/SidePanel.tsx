/** What a session is about, beside its conversation. */
import type { SessionView } from '@corral/protocol'
import { X } from 'lucide-react'
import { Button } from '../ui/Button.tsx'
import styles from './SidePanel.module.css'

export function SidePanel({ session, onClose }: { session: SessionView; onClose: () => void }) {
  const members = [
    ['Session', session.sessionId],
    ['Agent session', session.kiloSessionId],
    ['Agent', session.agentKind],
    ['Model', session.model],
    ['Branch', session.upstreamBranch],
  ]
  return (
    <div className={styles.panel}>
      <div className={styles.head}>
        <h2>Details</h2>
        <Button kind="quiet" size="small" icon={<X size={15} />} aria-label="Close" onClick={onClose} />
      </div>
      <dl className={styles.members}>
        {members.map(([name, value]) =>
          value === undefined ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
    </div>
  )
}
