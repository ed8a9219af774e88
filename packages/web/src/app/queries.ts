/** How calls of the server are remembered and tried again. */
import { CorralCallError } from '@corral/client'
import { QueryCache, QueryClient } from '@tanstack/react-query'
import { personKey } from './person.tsx'

export function createQueries(): QueryClient {
  const queries: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError: refused }),
    defaultOptions: {
      // What a call refuses is said at once; one that nobody answered is tried twice more.
      queries: { retry: (failures, error) => failures < 2 && !(error instanceof CorralCallError && error.isFinal) },
      mutations: { onError: refused },
    },
  })

  /** Perhaps the sign-in has ended. */
  function refused(error: Error): void {
    if (error instanceof CorralCallError && error.reason === 'unauthorized')
      void queries.invalidateQueries({ queryKey: personKey })
  }
  return queries
}
