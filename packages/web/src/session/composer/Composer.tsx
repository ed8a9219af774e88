/**
 * Where one writes to the agent. Enter sends, Shift+Enter begins a line; while it works a message is queued behind it. What
 * is written stays through a reload, and what did not arrive is sent again as the same message.
 */
import { limits } from '@corral/protocol'
import type { Turn } from '@corral/transcript'
import { ArrowUp, Square } from 'lucide-react'
import { type KeyboardEvent, memo, useEffect, useRef, useState } from 'react'
import { Button } from '../../ui/Button.tsx'
import type { Parts } from '../rows.ts'
import styles from './Composer.module.css'
import { Queue } from './Queue.tsx'
import { Unsent } from './Unsent.tsx'
import { useOutbox } from './useOutbox.ts'
import { useStop } from './useStop.ts'
import { noWishes, type Wishes, WishFields } from './Wishes.tsx'

type Props = { isBusy: boolean; onSent: () => void; waiting: readonly Turn[]; parts: ReadonlyMap<string, Parts> }

export const Composer = memo(function Composer({ isBusy, onSent, waiting, parts }: Props) {
  const { outbox, write, send, tryAgain, takeBack } = useOutbox()
  const [wishes, setWishes] = useState<Wishes>(noWishes)
  const field = useRef<HTMLTextAreaElement>(null)
  const stop = useStop(isBusy)
  const isFull = waiting.length >= limits.queuedExecutions
  const prompt = outbox.draft.trim()
  const maySend = prompt !== '' && !isFull

  useEffect(() => grow(field.current, outbox.draft), [outbox.draft])

  function submit(): void {
    if (!maySend) return
    const { mode, model } = wishes
    send({ prompt, ...(mode !== '' && { mode }), ...(model.trim() !== '' && { model: model.trim() }) })
    onSent()
    field.current?.focus()
  }
  function keyDown(event: KeyboardEvent): void {
    // An input method takes Enter for itself while it composes.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    submit()
  }

  return (
    <div className={styles.composer}>
      {waiting.length > 0 && <Queue waiting={waiting} parts={parts} />}
      <Unsent outbox={outbox} onTryAgain={tryAgain} onTakeBack={takeBack} />
      <form
        className={styles.box}
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        <textarea
          ref={field}
          className={styles.field}
          aria-label="Message to the agent"
          placeholder={isBusy ? 'Queue a message …' : 'Message the agent …'}
          rows={1}
          maxLength={limits.promptCharacters}
          value={outbox.draft}
          onChange={(event) => write(event.target.value)}
          onKeyDown={keyDown}
        />
        <div className={styles.controls}>
          <WishFields wishes={wishes} onChange={setWishes} />
          <span className={styles.hint} role="status">
            {hint(stop.state, isFull, stop.error)}
          </span>
          {isBusy && (
            <Button
              size="small"
              icon={<Square size={13} />}
              busy={stop.state === 'stopping'}
              title="Escape, twice"
              onClick={stop.now}
            >
              Stop
            </Button>
          )}
          <Button
            kind="primary"
            size="small"
            type="submit"
            icon={<ArrowUp size={15} />}
            disabled={!maySend}
            aria-label={isBusy ? 'Queue' : 'Send'}
          />
        </div>
      </form>
    </div>
  )
})

function hint(stop: ReturnType<typeof useStop>['state'], isFull: boolean, error: Error | null): string {
  if (error) return error.message
  if (stop === 'asked') return 'Escape again stops the agent.'
  return isFull ? 'Ten messages are queued already; wait until one has begun, or stop the session.' : ''
}

/** As high as what is in it; the style says how high at most. */
function grow(field: HTMLTextAreaElement | null, _text: string): void {
  if (!field) return
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight}px`
}
