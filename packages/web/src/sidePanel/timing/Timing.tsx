/** Where the time of a start and a turn went, step by step, as a waterfall; its rows are a table for who reads it so. */
import type { ExecutionId, Timing as TimingData } from '@corral/protocol'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Timer } from 'lucide-react'
import { useState } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { EmptyState } from '../../ui/EmptyState.tsx'
import { ExecutionChoice, useExecutions } from '../executions.tsx'
import panel from '../Panel.module.css'
import { type PanelSession, whileWorkingMs } from '../panelSession.ts'
import { View } from '../View.tsx'
import styles from './Timing.module.css'
import { duration, waterfall } from './waterfall.ts'

export function Timing({ session }: { session: PanelSession }) {
  const corral = useCorral()
  const executions = useExecutions(session)
  const [chosen, setChosen] = useState<ExecutionId | null>(null)
  const timing = useQuery({
    queryKey: ['timing', session.id, session.revision, chosen],
    queryFn: () =>
      corral.call.getTiming.query({ cloudAgentSessionId: session.id, ...(chosen && { executionId: chosen }) }),
    placeholderData: keepPreviousData,
    refetchInterval: session.isWorking ? whileWorkingMs : false,
  })
  return (
    <div className={panel.view}>
      <ExecutionChoice executions={executions} chosen={chosen} onChoose={setChosen} />
      <View of={timing}>
        {(data) =>
          data.steps.length === 0 ? (
            <EmptyState title="Nothing has begun" icon={<Timer size={20} />}>
              The steps of the start and of the agent’s work appear here as they happen.
            </EmptyState>
          ) : (
            <Shown timing={data} />
          )
        }
      </View>
    </div>
  )
}

function Shown({ timing }: { timing: TimingData }) {
  const { bars, ticksMs, spanMs } = waterfall(timing)
  const sums: readonly (readonly [string, number | null])[] = [
    ['In all', timing.totalMs],
    ['Queue', timing.queuedMs],
    ['Set-up', timing.setupMs],
    ['Agent', timing.agentExecutionMs],
  ]
  return (
    <>
      <dl className={panel.figures}>
        {sums.map(
          ([name, ms]) =>
            ms !== null && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{duration(ms)}</dd>
              </div>
            ),
        )}
      </dl>
      <table className={styles.waterfall}>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col" aria-label="When">
              <span className={styles.ticks} aria-hidden="true">
                {ticksMs.map((tick) => (
                  <span key={tick} style={{ insetInlineStart: `${(tick / spanMs) * 100}%` }}>
                    {tick === 0 ? '0' : duration(tick)}
                  </span>
                ))}
              </span>
            </th>
            <th scope="col">Took</th>
          </tr>
        </thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.key} data-status={bar.status}>
              <th scope="row">
                {bar.label}
                {bar.detail !== null && <small>{bar.detail}</small>}
              </th>
              <td>
                <span className={styles.track}>
                  <span
                    className={styles.bar}
                    style={{ insetInlineStart: `${bar.from * 100}%`, inlineSize: `${bar.width * 100}%` }}
                  />
                </span>
              </td>
              <td>
                {duration(bar.durationMs)}
                {bar.status === 'failed' && <small className={styles.failed}>failed</small>}
                {bar.status === 'running' && <small>so far</small>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
