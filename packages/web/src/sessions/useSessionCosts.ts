/** What the sessions that are in view have cost: asked for together, and again once something has happened in them. */
import type { SessionCost, SessionId, SessionRow } from '@corral/protocol'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import { shownStatus } from './sessionList.ts'

const whileRunningMs = 10_000
const mostAtOnce = 100

export function useSessionCosts(rows: readonly SessionRow[]): ReadonlyMap<SessionId, SessionCost> {
  const corral = useCorral()
  const asked = rows.slice(0, mostAtOnce)
  const isRunning = asked.some((row) => shownStatus(row) === 'running')
  const { data } = useQuery({
    queryKey: ['sessionCosts', asked.map(({ cloudAgentSessionId, revision }) => `${cloudAgentSessionId} ${revision}`)],
    queryFn: async () => {
      const sessionIds = asked.map(({ cloudAgentSessionId }) => cloudAgentSessionId)
      const { costs } = await corral.call.listSessionCosts.query({ sessionIds })
      return new Map(costs.map((cost) => [cost.cloudAgentSessionId, cost]))
    },
    enabled: asked.length > 0,
    placeholderData: keepPreviousData,
    staleTime: whileRunningMs,
    refetchInterval: isRunning ? whileRunningMs : false,
  })
  return data ?? none
}

const none: ReadonlyMap<SessionId, SessionCost> = new Map()
