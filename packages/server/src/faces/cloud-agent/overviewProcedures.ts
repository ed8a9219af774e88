/** What is read beside single sessions' own state: what can be started here, what was run, and what it has cost. */
import {
  getInstallationInput,
  getUsageReportInput,
  type Installation,
  listExecutionsInput,
  listSessionCostsInput,
  namedSession,
  type UsageReport,
} from '@corral/protocol'
import type { Budgets } from '../../credits/budgets.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { Procedures } from './procedures.ts'

export type OverviewProcedures = {
  sessions: Pick<Sessions, 'executions' | 'usageReport' | 'costs'>
  budgets: Pick<Budgets, 'of'>
  /** What sessions can be made with, as it is now. */
  installation(): Promise<Installation>
}

export function overviewProcedures(
  { reads }: Pick<Procedures, 'reads'>,
  { sessions, budgets, installation }: OverviewProcedures,
) {
  return {
    getInstallation: reads.input(getInstallationInput).query(installation),
    listExecutions: reads
      .input(listExecutionsInput)
      .query(({ ctx, input }) => sessions.executions(ctx.caller, namedSession(input), input)),
    listSessionCosts: reads
      .input(listSessionCostsInput)
      .query(({ ctx, input }) => sessions.costs(ctx.caller, input.sessionIds)),
    getUsageReport: reads.input(getUsageReportInput).query(async ({ ctx, input }): Promise<UsageReport> => {
      // Who may not know is refused by the report.
      const report = await sessions.usageReport(ctx.caller, input)
      const { kilocodeOrganizationId: organizationId } = input
      const limits = organizationId
        ? await budgets.of('organization', organizationId)
        : await budgets.of('user', ctx.caller.userId)
      return { ...report, budgets: limits }
    }),
  }
}
