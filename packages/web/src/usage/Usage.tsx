/** What was used: tokens and cost. */
import { useQuery } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Page } from '../ui/Page.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'

export function Usage() {
  const corral = useCorral()
  const budgets = useQuery({ queryKey: ['budgets'], queryFn: () => corral.call.listBudgets.query({}) })
  if (budgets.error) return <ErrorState error={budgets.error} retry={() => void budgets.refetch()} />
  if (!budgets.data) return <PageSpinner />
  return <Page title="Usage">{budgets.data.budgets.length === 0 ? 'No budgets are set.' : null}</Page>
}
