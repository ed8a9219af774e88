/** What narrows the list, as parameters of the page's address. What is no filter there is let be. */
import { type Filter, noFilter, statuses } from './sessionList.ts'

const names = { search: 'q', status: 'status', repository: 'repository', organization: 'organization' } as const

export function filterIn(address: URLSearchParams): Filter {
  return {
    search: address.get(names.search) ?? noFilter.search,
    status: statuses.find((status) => status === address.get(names.status)) ?? null,
    repository: address.get(names.repository),
    organization: address.get(names.organization),
  }
}

export function withFilter(
  address: URLSearchParams,
  { search, status, repository, organization }: Filter,
): URLSearchParams {
  const next = new URLSearchParams(address)
  const set = (name: string, value: string | null) => (value ? next.set(name, value) : next.delete(name))
  set(names.search, search)
  set(names.status, status)
  set(names.repository, repository)
  set(names.organization, organization)
  return next
}
