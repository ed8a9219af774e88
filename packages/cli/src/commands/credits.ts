/** The commands about money: budget, usage. */
import { type Budget, type BudgetScope, budgetScopes, type UsageFigures } from '@corral/protocol'
import { type Command, InvalidArgumentError } from 'commander'
import { connect } from '../connection.ts'
import { safeJson } from '../show/safeText.ts'
import { createTerminal } from '../terminal.ts'
import { sessionOf } from './sessionArgument.ts'

export function addCreditCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const calls = async () => (await connect(env)).corral.call

  function output(value: unknown, text: () => string): void {
    const terminal = createTerminal({ json: program.opts<{ json?: boolean }>().json === true })
    terminal.result(terminal.json ? `${safeJson(value, 2)}\n` : text())
  }

  const budget = program.command('budget').description('what may be spent on models (operators)')
  budget
    .command('set')
    .description('from now on this much may be spent')
    .argument('<scope>', budgetScopes.join(', '), scopeOf)
    .argument('<id>', 'of the session, user or organization')
    .argument('<usd>', 'US dollars', usdOf)
    .action(async (scope: BudgetScope, id: string, limitUsd: number) => {
      const { budget: set } = await (await calls()).setBudget.mutate({ scope, id, limitUsd })
      output(set, () => (set ? budgetLine(set) : ''))
    })
  budget
    .command('clear')
    .description('check nothing any more')
    .argument('<scope>', budgetScopes.join(', '), scopeOf)
    .argument('<id>', 'of the session, user or organization')
    .action(async (scope: BudgetScope, id: string) => {
      output(await (await calls()).setBudget.mutate({ scope, id, limitUsd: null }), () => 'Cleared.\n')
    })
  budget
    .command('list', { isDefault: true })
    .description('all budgets, and what is left of them')
    .action(async () => {
      const { budgets } = await (await calls()).listBudgets.query({})
      output(budgets, () => budgets.map(budgetLine).join('') || 'No budgets; nothing is checked.\n')
    })

  program
    .command('usage')
    .description('what a session has used of models')
    .argument('<session>')
    .action(async (session: string) => {
      const usage = await (await calls()).getUsage.query({ cloudAgentSessionId: sessionOf(session) })
      output(usage, () =>
        [
          ...usage.executions.map(({ executionId, ...figures }) => figuresLine(executionId, figures)),
          figuresLine('all', usage),
        ].join(''),
      )
    })
}

function scopeOf(value: string): BudgetScope {
  const scope = budgetScopes.find((known) => known === value)
  if (!scope) throw new InvalidArgumentError(`A scope is one of ${budgetScopes.join(', ')}.`)
  return scope
}

function usdOf(value: string): number {
  const usd = Number(value)
  if (!(usd >= 0)) throw new InvalidArgumentError('Give an amount in US dollars, from 0.')
  return usd
}

const dollars = (usd: number) => `$${usd.toFixed(2)}`

const budgetLine = ({ scope, id, limitUsd, remainingUsd }: Budget) =>
  `${scope.padEnd(12)}  ${id.padEnd(42)}  ${dollars(remainingUsd)} of ${dollars(limitUsd)} left\n`

function figuresLine(name: string, { calls, promptTokens, completionTokens, costUsd }: UsageFigures): string {
  return `${name.padEnd(31)}  ${calls} calls  ${promptTokens} tokens in  ${completionTokens} out  $${costUsd.toFixed(4)}\n`
}
