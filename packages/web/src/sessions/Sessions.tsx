/** Everything that one's agents have worked on, live. What narrows the list is in the address, so that it can be kept. */
import type { SessionRow } from '@corral/protocol'
import { useQuery } from '@tanstack/react-query'
import { Plus, SearchX, Sparkles } from 'lucide-react'
import { useMemo, useRef, useState } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { useOrganization } from '../app/organization.tsx'
import { Button } from '../ui/Button.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Page } from '../ui/Page.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { DeleteDialog } from './DeleteDialog.tsx'
import { filterIn, withFilter } from './filterAddress.ts'
import { RenameDialog } from './RenameDialog.tsx'
import { SessionFilters } from './SessionFilters.tsx'
import type { SessionAction } from './SessionLine.tsx'
import { SessionList } from './SessionList.tsx'
import styles from './Sessions.module.css'
import { ShareDialog } from './ShareDialog.tsx'
import { byActivity, isFiltering, matches, noFilter, organizationsOf, repositoriesOf, roots } from './sessionList.ts'
import { useHolds, useLiveSessions } from './useLiveSessions.ts'
import { useShortcuts } from './useShortcuts.ts'

/** A server that is started again is back before. */
const silentMs = 4_000

export function Sessions() {
  const [, go] = useLocation()
  const [address, setAddress] = useSearchParams()
  const { sessions, isStale, ended } = useLiveSessions()
  const isAway = useHolds(isStale, silentMs)
  const organizationName = useOrganizationNames()
  const search = useRef<HTMLInputElement>(null)
  const [chosen, setChosen] = useState<{ action: SessionAction; row: SessionRow } | null>(null)

  const workingIn = useOrganization().organization?.organizationId
  const all = useMemo(
    () =>
      roots(sessions)
        .filter(({ organizationId }) => workingIn === undefined || organizationId === workingIn)
        .sort(byActivity),
    [sessions, workingIn],
  )
  const filter = filterIn(address)
  const shown = useMemo(() => all.filter((row) => matches(row, filterIn(address))), [all, address])
  const newSession = () => go('/new')
  useShortcuts((key) => {
    if (key === '/') search.current?.focus()
    if (key === 'n') newSession()
    return key === '/' || key === 'n'
  })

  if (ended) return <ErrorState error={ended} retry={() => location.reload()} />
  const sessionFor = (action: SessionAction) => (chosen?.action === action ? chosen.row : null)
  const close = () => setChosen(null)

  return (
    <Page
      title="Sessions"
      wide
      actions={
        <Button kind="primary" icon={<Plus size={16} />} onClick={newSession}>
          New session
        </Button>
      }
    >
      {isAway && sessions.length > 0 && (
        <p className={styles.away} role="status">
          The server does not answer. What you see is how things were; it is tried again by itself.
        </p>
      )}
      {all.length > 0 && (
        <SessionFilters
          filter={filter}
          onFilter={(next) => setAddress((before) => withFilter(before, next), { replace: true })}
          repositories={repositoriesOf(all)}
          organizations={organizationsOf(all, organizationName)}
          search={search}
        />
      )}
      {shown.length > 0 ? (
        <SessionList
          rows={shown}
          organizationOf={({ organizationId }) => organizationId && organizationName(organizationId)}
          onAction={(action, row) => setChosen({ action, row })}
        />
      ) : isStale && all.length === 0 ? (
        <Waiting isAway={isAway} />
      ) : isFiltering(filter) ? (
        <EmptyState
          title="No session fits"
          icon={<SearchX size={20} />}
          action={
            <Button onClick={() => setAddress((before) => withFilter(before, noFilter), { replace: true })}>
              Show all sessions
            </Button>
          }
        >
          None of your {all.length} sessions has all of what you ask for.
        </EmptyState>
      ) : (
        <EmptyState
          title="No sessions yet"
          icon={<Sparkles size={20} />}
          action={
            <Button kind="primary" onClick={newSession}>
              Start a session
            </Button>
          }
        >
          Give an agent a repository and a prompt. It works in a sandbox of its own, and you see everything it does
          here.
        </EmptyState>
      )}
      <RenameDialog session={sessionFor('rename')} onClose={close} />
      <ShareDialog session={sessionFor('share')} onClose={close} />
      <DeleteDialog session={sessionFor('delete')} onClose={close} />
    </Page>
  )
}

function Waiting({ isAway }: { isAway: boolean }) {
  if (!isAway) return <PageSpinner />
  return (
    <EmptyState title="The server does not answer">
      Perhaps you are offline, or it is being restarted. Your sessions appear as soon as it is back.
    </EmptyState>
  )
}

/** The id where the name is not known, or not yet. */
function useOrganizationNames(): (id: string) => string {
  const corral = useCorral()
  const { data } = useQuery({
    queryKey: ['organizationNames'],
    queryFn: () => corral.call.listOrganizations.query({}),
    staleTime: 60_000,
  })
  return (id) => data?.organizations.find(({ organizationId }) => organizationId === id)?.name ?? id
}
