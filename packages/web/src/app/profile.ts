import type { ProfileView } from '@corral/protocol'
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import { useCorral } from './corral.tsx'

export const profileKey = ['profile']

/** Of whoever is signed in: also whether they are an operator, which decides what is shown and nothing else. */
export function useProfile(): UseQueryResult<ProfileView> {
  const corral = useCorral()
  return useQuery({ queryKey: profileKey, queryFn: () => corral.call.getProfile.query({}) })
}
