/** The executions of a session, and the choice of one of them, named by the beginning of its prompt. */
import type { ExecutionId, ExecutionSummary } from '@corral/protocol'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import styles from './executions.module.css'
import type { PanelSession } from './panelSession.ts'

const mostShown = 100

/** The newest first. */
export function useExecutions(session: PanelSession): readonly ExecutionSummary[] {
  const corral = useCorral()
  const { data } = useQuery({
    queryKey: ['executions', session.id, session.revision],
    queryFn: () => corral.call.listExecutions.query({ cloudAgentSessionId: session.id, limit: mostShown }),
    placeholderData: keepPreviousData,
  })
  return data?.executions ?? []
}

export function ExecutionChoice(props: {
  executions: readonly ExecutionSummary[]
  /** Null is the newest, whichever that is. */
  chosen: ExecutionId | null
  onChoose: (id: ExecutionId | null) => void
}) {
  const { executions, chosen, onChoose } = props
  if (executions.length < 2) return null
  return (
    <select
      aria-label="Message"
      className={styles.choice}
      value={chosen ?? ''}
      onChange={({ target }) =>
        onChoose(executions.find(({ executionId }) => executionId === target.value)?.executionId ?? null)
      }
    >
      <option value="">The newest message</option>
      {executions.map(({ executionId, prompt }, place) => (
        <option key={executionId} value={executionId}>
          {executions.length - place}. {firstLine(prompt)}
        </option>
      ))}
    </select>
  )
}

export const firstLine = (prompt: string): string =>
  prompt.trim().split('\n', 1)[0]?.slice(0, 80) || 'A message without text'
