/** The user's sessions, live. */
import { Plus } from 'lucide-react'
import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { Link } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { sessionAddress } from '../app/paths.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { Page } from '../ui/Page.tsx'
import { Spinner } from '../ui/Spinner.tsx'

export function Sessions() {
  const corral = useCorral()
  const live = useMemo(() => corral.sessions(), [corral])
  const { sessions, isStale } = useSyncExternalStore(live.subscribe, live.state)
  useEffect(() => live.subscribe(() => {}), [live])
  return (
    <Page title="Sessions" actions={<Link href="/new">New session</Link>}>
      {sessions.length === 0 && isStale && <Spinner />}
      {sessions.length === 0 && !isStale && (
        <EmptyState title="No sessions yet" icon={<Plus size={20} />} action={<Link href="/new">Start one</Link>}>
          Give an agent a repository and a prompt, and watch it work.
        </EmptyState>
      )}
      <ul>
        {sessions.map((session) => (
          <li key={session.sessionId}>
            <Link href={sessionAddress(session.cloudAgentSessionId)}>{session.title}</Link> {session.status}
          </li>
        ))}
      </ul>
    </Page>
  )
}
