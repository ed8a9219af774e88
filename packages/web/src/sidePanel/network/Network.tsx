/** What the session's programs reached through the web proxy, and what they were refused; minute by minute. */
import type { NetworkVisit, VisitRefusal } from '@corral/protocol'
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { Globe } from 'lucide-react'
import { useCorral } from '../../app/corral.tsx'
import { Badge } from '../../ui/Badge.tsx'
import { Button } from '../../ui/Button.tsx'
import { EmptyState } from '../../ui/EmptyState.tsx'
import { ErrorState } from '../../ui/ErrorState.tsx'
import { PageSpinner } from '../../ui/Spinner.tsx'
import { bytes, exact } from '../../usage/figures.ts'
import panel from '../Panel.module.css'
import { type PanelSession, whileWorkingMs } from '../panelSession.ts'
import styles from './Network.module.css'

const pageLines = 100

const reasons: Record<VisitRefusal, string> = {
  off: 'The session has no web',
  not_listed: 'Not on the session’s list',
  port: 'Not with this port',
  git_host: 'Git alone reaches a host of code',
  address: 'A private address',
  server_name: 'TLS named another server',
}

export function Network({ session }: { session: PanelSession }) {
  const corral = useCorral()
  const log = useInfiniteQuery({
    queryKey: ['networkLog', session.id, session.revision],
    queryFn: ({ pageParam }) =>
      corral.call.getNetworkLog.query({
        cloudAgentSessionId: session.id,
        limit: pageLines,
        ...(pageParam && { cursor: pageParam }),
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
    placeholderData: keepPreviousData,
    refetchInterval: session.isWorking ? 3 * whileWorkingMs : false,
  })
  if (log.error && !log.data) return <ErrorState error={log.error} retry={() => void log.refetch()} />
  if (!log.data) return <PageSpinner />
  const visits = log.data.pages.flatMap((page) => page.visits)
  if (visits.length === 0) {
    return (
      <EmptyState title="Nothing was reached" icon={<Globe size={20} />}>
        What programs in the sandbox ask the web for appears here, with what they were refused. Models and git have
        doors of their own and are not in it.
      </EmptyState>
    )
  }
  return (
    <div className={panel.view}>
      <table className={panel.table}>
        <thead>
          <tr>
            <th scope="col">Host</th>
            <th scope="col">Sent</th>
            <th scope="col">Received</th>
            <th scope="col">Calls</th>
            <th scope="col">When</th>
          </tr>
        </thead>
        <tbody>
          {visits.map((visit) => (
            <tr key={`${visit.minute} ${visit.host} ${visit.port} ${visit.reason ?? ''}`}>
              <th scope="row">
                <span className={styles.host}>{hostOf(visit)}</span>
                {!visit.allowed && <Badge tone="bad">{visit.reason ? reasons[visit.reason] : 'Refused'}</Badge>}
              </th>
              <td>{visit.allowed ? bytes(visit.sentBytes) : '–'}</td>
              <td>{visit.allowed ? bytes(visit.receivedBytes) : '–'}</td>
              <td>{exact(visit.visits)}</td>
              <td>
                <time dateTime={new Date(visit.minute).toISOString()} title={new Date(visit.minute).toLocaleString()}>
                  {clock.format(visit.minute)}
                </time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {log.hasNextPage && (
        <Button kind="quiet" size="small" busy={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
          Show what was before
        </Button>
      )}
    </div>
  )
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const hostOf = ({ host, port }: NetworkVisit) => (port === 443 ? host : `${host}:${port}`)
