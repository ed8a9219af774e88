/**
 * Under which organization one works: the list of sessions shows those of it alone, and new ones belong to it. Without one
 * all are shown, and new ones are personal. This browser keeps the choice; one that the person has left counts as none.
 */
import type { OrganizationView } from '@corral/protocol'
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useState } from 'react'
import { useCorral } from './corral.tsx'

const key = 'corral.organization'

export const organizationsKey = ['organizations']

/** Those that one belongs to; operators see all. */
export function useOrganizations(): UseQueryResult<OrganizationView[]> {
  const corral = useCorral()
  return useQuery({
    queryKey: organizationsKey,
    queryFn: async () => (await corral.call.listOrganizations.query({})).organizations,
  })
}

type Choice = {
  /** Null: none is chosen. */
  organization: OrganizationView | null
  mine: readonly OrganizationView[]
  choose: (organizationId: string | null) => void
}
const OrganizationContext = createContext<Choice>({ organization: null, mine: [], choose: () => {} })

export function OrganizationProvider({ children }: { children: ReactNode }) {
  const [chosen, setChosen] = useState(() => localStorage.getItem(key))
  const mine = (useOrganizations().data ?? []).filter(({ role }) => role !== null)
  const organization = mine.find(({ organizationId }) => organizationId === chosen) ?? null
  function choose(organizationId: string | null): void {
    if (organizationId === null) localStorage.removeItem(key)
    else localStorage.setItem(key, organizationId)
    setChosen(organizationId)
  }
  return <OrganizationContext value={{ organization, mine, choose }}>{children}</OrganizationContext>
}

export const useOrganization = (): Choice => useContext(OrganizationContext)
