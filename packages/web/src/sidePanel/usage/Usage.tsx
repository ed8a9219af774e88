/** What the session has used of models: in all, and message by message. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Activity } from 'lucide-react'
import { useCorral } from '../../app/corral.tsx'
import { EmptyState } from '../../ui/EmptyState.tsx'
import { compact, exact, usd } from '../../usage/figures.ts'
import { firstLine, useExecutions } from '../executions.tsx'
import panel from '../Panel.module.css'
import { type PanelSession, whileWorkingMs } from '../panelSession.ts'
import { View } from '../View.tsx'

export function Usage({ session }: { session: PanelSession }) {
  const corral = useCorral()
  const executions = useExecutions(session)
  const usage = useQuery({
    queryKey: ['usage', session.id, session.revision],
    queryFn: () => corral.call.getUsage.query({ cloudAgentSessionId: session.id }),
    placeholderData: keepPreviousData,
    refetchInterval: session.isWorking ? whileWorkingMs : false,
  })
  const nameOf = (id: string) => {
    const execution = executions.find(({ executionId }) => executionId === id)
    return execution ? firstLine(execution.prompt) : id
  }
  return (
    <View of={usage}>
      {(data) =>
        data.calls === 0 ? (
          <EmptyState title="No model was called yet" icon={<Activity size={20} />}>
            Tokens and cost appear here with the first call.
          </EmptyState>
        ) : (
          <div className={panel.view}>
            <dl className={panel.figures}>
              <Figure name="Cost" value={usd(data.costUsd)} />
              <Figure name="Tokens in" value={compact(data.promptTokens)} />
              <Figure name="From cache" value={compact(data.cachedTokens)} />
              <Figure name="Tokens out" value={compact(data.completionTokens)} />
              <Figure name="Calls" value={exact(data.calls)} />
            </dl>
            <table className={panel.table}>
              <thead>
                <tr>
                  <th scope="col">Message</th>
                  <th scope="col">Cost</th>
                  <th scope="col">In</th>
                  <th scope="col">Out</th>
                  <th scope="col">Calls</th>
                </tr>
              </thead>
              <tbody>
                {data.executions.map((row) => (
                  <tr key={row.executionId}>
                    <th scope="row">{nameOf(row.executionId)}</th>
                    <td>{usd(row.costUsd)}</td>
                    <td>{compact(row.promptTokens)}</td>
                    <td>{compact(row.completionTokens)}</td>
                    <td>{exact(row.calls)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
            {data.unpricedCalls > 0 && (
              <p className={panel.faint}>
                {exact(data.unpricedCalls)} calls were of models without a price here; they are not in the cost.
              </p>
            )}
          </div>
        )
      }
    </View>
  )
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}
