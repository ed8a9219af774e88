/** What was used of models in a range of days: tokens and cost by day, model, user and session, and what limits it. */
import type { UsageReport } from '@corral/protocol'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { useSearchParams } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { Button } from '../ui/Button.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Page } from '../ui/Page.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Breakdowns } from './Breakdowns.tsx'
import { BudgetBars } from './BudgetBars.tsx'
import { DayChart } from './DayChart.tsx'
import { everyDay, lastDays, rangeOf } from './days.ts'
import { download } from './download.ts'
import { RangePicker } from './RangePicker.tsx'
import { reportCsv } from './reportCsv.ts'
import { Totals } from './Totals.tsx'
import styles from './Usage.module.css'

export function Usage() {
  const corral = useCorral()
  const [address, setAddress] = useSearchParams()
  const range = rangeOf(address.get('from') ?? '', address.get('to') ?? '') ?? lastDays(30, Date.now())
  const organization = address.get('organization')
  const organizations = useReportedOrganizations()
  const report = useQuery({
    queryKey: ['usageReport', range, organization],
    queryFn: () =>
      corral.call.getUsageReport.query({ ...range, ...(organization && { kilocodeOrganizationId: organization }) }),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  })

  function change(members: Record<string, string | null>): void {
    setAddress((before) => {
      const next = new URLSearchParams(before)
      for (const [name, value] of Object.entries(members)) value ? next.set(name, value) : next.delete(name)
      return next
    })
  }

  return (
    <Page
      title="Usage"
      wide
      about="Tokens and cost of every call of a model. Days are those of UTC."
      actions={
        report.data && (
          <Button icon={<Download size={15} />} onClick={() => report.data && save(report.data)}>
            CSV
          </Button>
        )
      }
    >
      <RangePicker
        range={range}
        onRange={({ from, to }) => change({ from, to })}
        organization={organization}
        organizations={organizations}
        onOrganization={(id) => change({ organization: id })}
      />
      {report.error ? (
        <ErrorState error={report.error} retry={() => void report.refetch()} />
      ) : report.data ? (
        <div className={styles.report} aria-busy={report.isPlaceholderData}>
          <Shown report={report.data} />
        </div>
      ) : (
        <PageSpinner />
      )}
    </Page>
  )
}

function Shown({ report }: { report: UsageReport }) {
  return (
    <>
      {report.budgets.length > 0 && <BudgetBars budgets={report.budgets} />}
      {report.total.calls === 0 ? (
        <EmptyState title="Nothing was used">
          No model was called on these days. Choose others, or start a session.
        </EmptyState>
      ) : (
        <>
          <Totals total={report.total} />
          <DayChart days={everyDay(report)} />
          <Breakdowns report={report} />
        </>
      )}
    </>
  )
}

const save = (report: UsageReport) =>
  download(`corral-usage-${report.from}-${report.to}.csv`, 'text/csv', reportCsv(report))

/** Those whose report the person may read. */
function useReportedOrganizations(): { id: string; name: string }[] {
  const corral = useCorral()
  const { data } = useQuery({
    queryKey: ['reportedOrganizations'],
    queryFn: () => corral.call.listOrganizations.query({}),
    staleTime: 60_000,
  })
  return (data?.organizations ?? []).flatMap(({ organizationId, name, role }) =>
    role === 'owner' || role === 'admin' ? [{ id: organizationId, name }] : [],
  )
}
