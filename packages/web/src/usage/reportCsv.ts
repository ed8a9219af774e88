/** A report as one table: each row says of what it is a sum. */
import type { UsageFigures, UsageReport } from '@corral/protocol'
import { csv } from './csv.ts'

const head = [
  'by',
  'id',
  'name',
  'cost_usd',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'calls',
  'unpriced_calls',
]

export function reportCsv({ total, days, models, users, sessions }: UsageReport): string {
  const row = (by: string, id: string, name: string | null, figures: UsageFigures) => [
    ...[by, id, name],
    ...[figures.costUsd, figures.promptTokens, figures.cachedTokens, figures.completionTokens],
    ...[figures.calls, figures.unpricedCalls],
  ]
  return csv(head, [
    row('total', '', null, total),
    ...days.map((figures) => row('day', figures.day, null, figures)),
    ...models.map((figures) => row('model', figures.model, null, figures)),
    ...users.map((figures) => row('user', figures.userId, figures.name, figures)),
    ...sessions.map((figures) => row('session', figures.cloudAgentSessionId, figures.title, figures)),
  ])
}
