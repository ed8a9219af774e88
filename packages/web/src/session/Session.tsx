/** The session that an address names, by either of its ids. */
import { agentSessionIdSchema, sessionIdSchema } from '@corral/protocol'
import { useQuery } from '@tanstack/react-query'
import { useSearchParams } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { NotFound } from '../app/NotFound.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { SessionPage } from './SessionPage.tsx'

export function Session() {
  const corral = useCorral()
  const [search] = useSearchParams()
  const given = search.get('sessionId') ?? ''
  const named = sessionNamed(given)
  const session = useQuery({
    queryKey: ['session', given],
    queryFn: () => (named ? corral.call.getSession.query(named) : null),
  })
  if (named === null) return <NotFound />
  if (session.data) return <SessionPage key={session.data.sessionId} session={session.data} />
  if (session.error) return <ErrorState error={session.error} retry={() => void session.refetch()} />
  return <PageSpinner />
}

/** `agent_…` or `ses_…`; null for what is neither. */
function sessionNamed(given: string) {
  const id = sessionIdSchema.safeParse(given)
  if (id.success) return { cloudAgentSessionId: id.data }
  const agentId = agentSessionIdSchema.safeParse(given)
  return agentId.success ? { kiloSessionId: agentId.data } : null
}
