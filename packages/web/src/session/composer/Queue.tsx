/** Messages that wait for their turn, in their order. Each can be changed or canceled until it begins. */
import type { Turn } from '@corral/transcript'
import { useMutation } from '@tanstack/react-query'
import { Pencil, X } from 'lucide-react'
import { useState } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { Button } from '../../ui/Button.tsx'
import { FormError } from '../../ui/Field.tsx'
import type { Parts } from '../rows.ts'
import { useSessionId } from '../sessionContext.tsx'
import styles from './Composer.module.css'

export function Queue({ waiting, parts }: { waiting: readonly Turn[]; parts: ReadonlyMap<string, Parts> }) {
  return (
    <section className={styles.queue} aria-label="Queued messages">
      <h2 className={styles.queueTitle}>Queued · {waiting.length}</h2>
      <ol>
        {waiting.map((turn) => (
          <QueuedMessage key={turn.executionId} turn={turn} text={textOf(parts.get(turn.messageId ?? ''))} />
        ))}
      </ol>
    </section>
  )
}

const textOf = (parts: Parts | undefined): string =>
  [...(parts?.values() ?? [])].map(({ part }) => (typeof part.text === 'string' ? part.text : '')).join('')

function QueuedMessage({ turn: { executionId }, text }: { turn: Turn; text: string }) {
  const { call } = useCorral()
  const cloudAgentSessionId = useSessionId()
  const [edited, setEdited] = useState<string | null>(null)
  const change = useMutation({
    mutationFn: (prompt: string) => call.updateExecution.mutate({ cloudAgentSessionId, executionId, prompt }),
    onSuccess: () => setEdited(null),
  })
  const cancel = useMutation({
    mutationFn: () => call.interruptSession.mutate({ cloudAgentSessionId, executionId }),
  })
  if (edited === null) {
    return (
      <li className={styles.queued}>
        <span className={styles.queuedText}>{text}</span>
        <Button
          size="small"
          kind="quiet"
          icon={<Pencil size={14} />}
          aria-label="Edit"
          onClick={() => setEdited(text)}
        />
        <Button
          size="small"
          kind="quiet"
          icon={<X size={15} />}
          aria-label="Cancel"
          busy={cancel.isPending}
          onClick={() => cancel.mutate()}
        />
        <FormError error={cancel.error} />
      </li>
    )
  }
  return (
    <li>
      <form
        className={styles.queued}
        onSubmit={(event) => {
          event.preventDefault()
          if (edited.trim() !== '') change.mutate(edited.trim())
        }}
      >
        <textarea
          className={styles.edited}
          aria-label="Queued message"
          rows={3}
          value={edited}
          // It was asked for by pressing Edit.
          // biome-ignore lint/a11y/noAutofocus: the focus would be lost otherwise
          autoFocus
          onChange={(event) => setEdited(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return
            event.preventDefault()
            setEdited(null)
          }}
        />
        <Button size="small" kind="primary" type="submit" busy={change.isPending} disabled={edited.trim() === ''}>
          Save
        </Button>
        <Button size="small" kind="quiet" onClick={() => setEdited(null)}>
          Back
        </Button>
        <FormError error={change.error} />
      </form>
    </li>
  )
}
