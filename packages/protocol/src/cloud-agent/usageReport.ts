/**
 * What was spent in a range of days, by day, user, model and session, and what sessions have cost. Days are those of UTC;
 * amounts are US dollars.
 */
import { z } from 'zod'
import { type SessionId, sessionIdSchema } from '../ids.ts'
import type { Budget, UsageFigures } from './credits.ts'
import { organizationId } from './fields.ts'

const dayMs = 24 * 60 * 60_000
const mostDays = 366

const day = z.iso.date('must be a day, as 2026-01-31')

/** Both days are in it. With an organization: everybody's in it, for its owners and admins. */
export const getUsageReportInput = z
  .strictObject({ from: day, to: day, kilocodeOrganizationId: organizationId.optional() })
  .refine(({ from, to }) => from <= to, { message: 'is before from', path: ['to'] })
  .refine(({ from, to }) => Date.parse(to) - Date.parse(from) < mostDays * dayMs, {
    message: `must be at most ${mostDays} days after from`,
    path: ['to'],
  })
export type GetUsageReportInput = z.output<typeof getUsageReportInput>

export type UsageReport = {
  from: string
  to: string
  total: UsageFigures
  /** Days on which a model was called, oldest first. */
  days: (UsageFigures & { day: string })[]
  /** The most expensive first, like those that follow. */
  models: (UsageFigures & { model: string })[]
  /** `name` is null for who is gone. */
  users: (UsageFigures & { userId: string; name: string | null })[]
  /** The caller's own, at most 100. `title` is null for what is deleted. */
  sessions: (UsageFigures & { cloudAgentSessionId: SessionId; title: string | null })[]
  /** Of whom the report is about. */
  budgets: Budget[]
}

export const listSessionCostsInput = z.strictObject({
  sessionIds: z.array(sessionIdSchema).min(1, 'must name a session').max(100, 'must have at most 100 items'),
})
/** `unpricedCalls`: calls of models without a price; they are not in the cost. */
export type SessionCost = { cloudAgentSessionId: SessionId; costUsd: number; unpricedCalls: number }
/** What is not the caller's is left out, like what is not there. */
export type SessionCosts = { costs: SessionCost[] }
