/** The terminals of a session: those that are open, one of them shown, and a way to open another. */
import type { PtyId, SessionId } from '@corral/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { SquareTerminal } from 'lucide-react'
import { useCallback, useRef, useState } from 'react'
import { useCorral } from '../app/corral.tsx'
import { Button } from '../ui/Button.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import styles from './Terminal.module.css'
import { TerminalView } from './TerminalView.tsx'

export function TerminalPanel({ sessionId }: { sessionId: SessionId }) {
  const corral = useCorral()
  const queries = useQueryClient()
  const [chosen, setChosen] = useState<PtyId | null>(null)
  const [screenReader, setScreenReader] = useState(false)
  const exit = useRef<HTMLButtonElement>(null)
  const queryKey = ['terminals', sessionId]
  const open = useQuery({
    queryKey,
    queryFn: () => corral.call.listTerminals.query({ cloudAgentSessionId: sessionId }),
  })
  const refresh = useCallback(
    () => queries.invalidateQueries({ queryKey: ['terminals', sessionId] }),
    [queries, sessionId],
  )
  const create = useMutation({
    mutationFn: () => corral.call.createTerminal.mutate({ cloudAgentSessionId: sessionId }),
    onSuccess({ ptyId }) {
      setChosen(ptyId)
      return refresh()
    },
  })
  const close = useMutation({
    mutationFn: (ptyId: PtyId) => corral.call.closeTerminal.mutate({ cloudAgentSessionId: sessionId, ptyId }),
    // It stays to be seen, with its last words.
    onMutate: setChosen,
    onSuccess: refresh,
  })
  const onOver = useCallback(() => void refresh(), [refresh])

  if (open.error) return <ErrorState error={open.error} retry={() => void open.refetch()} />
  if (!open.data) return <PageSpinner />
  const known = open.data.terminals.map(({ ptyId }) => ptyId)
  const shown = chosen ?? known[0] ?? null
  const all = shown === null || known.includes(shown) ? known : [...known, shown]
  const createButton = (
    <Button
      kind={shown === null ? 'primary' : 'plain'}
      size="small"
      busy={create.isPending}
      onClick={() => create.mutate()}
    >
      {shown === null ? 'Open a terminal' : 'New'}
    </Button>
  )

  return (
    <div className={styles.panel}>
      {create.error && <ErrorState error={create.error} retry={() => create.mutate()} />}
      {shown === null ? (
        <EmptyState title="No terminal is open" icon={<SquareTerminal />} action={createButton}>
          A shell in this session’s sandbox, beside the agent. What you type and see there is in no log.
        </EmptyState>
      ) : (
        <>
          <div className={styles.bar}>
            {all.map((ptyId, i) => (
              <Button
                key={ptyId}
                kind={ptyId === shown ? 'plain' : 'quiet'}
                size="small"
                aria-pressed={ptyId === shown}
                onClick={() => setChosen(ptyId)}
              >
                Terminal {i + 1}
              </Button>
            ))}
            {createButton}
            <label className={styles.choice}>
              <input
                type="checkbox"
                checked={screenReader}
                onChange={({ target }) => setScreenReader(target.checked)}
              />
              Screen reader
            </label>
            <Button
              ref={exit}
              kind="quiet"
              size="small"
              busy={close.isPending}
              onClick={() => (known.includes(shown) ? close.mutate(shown) : setChosen(null))}
            >
              {known.includes(shown) ? 'End' : 'Dismiss'}
            </Button>
          </div>
          <TerminalView key={shown} {...{ sessionId, screenReader, exit, onOver }} ptyId={shown} />
        </>
      )}
    </div>
  )
}
