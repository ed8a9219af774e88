/**
 * Who is signed in. The server is asked, and asked again when it has refused a call of theirs: a sign-in that has ended
 * leads to the page where one signs in.
 */
import type { Person } from '@corral/client'
import { queryOptions, type UseQueryResult, useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext } from 'react'
import { useCorral } from './corral.tsx'

export const personKey = ['person']

/** Null is nobody. */
export function usePersonQuery(): UseQueryResult<Person | null> {
  const corral = useCorral()
  return useQuery(queryOptions({ queryKey: personKey, queryFn: () => corral.signIn.who(), staleTime: 60_000 }))
}

const PersonContext = createContext<Person | null>(null)

export function PersonProvider({ person, children }: { person: Person; children: ReactNode }) {
  return <PersonContext value={person}>{children}</PersonContext>
}

export function usePerson(): Person {
  const person = useContext(PersonContext)
  if (!person) throw new Error('usePerson is used where nobody is signed in')
  return person
}
