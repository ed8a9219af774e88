/**
 * The conversation as a virtual list, which stays at its end while one looks at the end, and where it is otherwise. What
 * lies further back is read as one comes near to it.
 */
import type { ConversationState } from '@corral/client'
import type { Turn } from '@corral/transcript'
import { ArrowDown } from 'lucide-react'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { VList, type VListHandle } from 'virtua'
import { Button } from '../ui/Button.tsx'
import styles from './ConversationView.module.css'
import { useConversation } from './conversationContext.tsx'
import { RowView } from './RowView.tsx'
import { begunBy, type Row, rowsOf } from './rows.ts'

type Picture = Extract<ConversationState, { phase: 'open' }>['picture']

/** Nearer to the end than this, one looks at the end. */
const endPixels = 60
/** So far from the beginning, what is before it is read. */
const readOnPixels = 1_500
/** A row before it was measured. */
const rowPixels = 120

/** `sent`: how many messages were sent from here; with each of them one wants to see what comes of it. */
type Props = { picture: Picture; turns: readonly Turn[]; sent: number }

export function ConversationView({ picture, turns, sent }: Props) {
  const conversation = useConversation()
  const list = useRef<VListHandle>(null)
  const lastOffset = useRef(0)
  const [isAtEnd, setAtEnd] = useState(true)
  const { root, transcript, asks, reach } = picture
  useEffect(() => {
    if (sent > 0) setAtEnd(true)
  }, [sent])
  const hasForeignAsks = useMemo(
    () => [...asks.values()].some(({ request }) => request.sessionID !== root),
    [asks, root],
  )
  // Looked for only when a sub-agent asks: parts change with every word.
  const partsOfAsks = hasForeignAsks ? transcript.parts : null
  const rows = useMemo(
    () =>
      rowsOf({
        messages: [...transcript.messages.values()].filter(({ info }) => info.sessionID === root),
        turns,
        asks: [...asks.values()],
        begunBy: partsOfAsks ? begunBy(partsOfAsks) : new Map(),
      }),
    [transcript.messages, turns, asks, root, partsOfAsks],
  )
  const isPrepended = useIsPrepended(rows)
  const hasMore = reach.get(root)?.before !== null

  function scrollToEnd(): void {
    list.current?.scrollToIndex(rows.length - 1, { align: 'end' })
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: with every change of what is shown
  useLayoutEffect(() => {
    if (isAtEnd) scrollToEnd()
  }, [transcript, rows, isAtEnd])

  function scrolled(offset: number): void {
    const { scrollSize = 0, viewportSize = 0 } = list.current ?? {}
    // What has grown below is no reason to leave the end; that somebody has moved away from it is.
    if (scrollSize - viewportSize - offset < endPixels) setAtEnd(true)
    else if (offset < lastOffset.current) setAtEnd(false)
    lastOffset.current = offset
    readOn(offset)
  }
  function readOn(offset: number): void {
    // What cannot be read now is read with the next movement.
    if (hasMore && offset < readOnPixels) conversation.read(root).catch(() => undefined)
  }
  // A page may be shorter than the screen.
  useEffect(() => {
    const { scrollSize = 0, viewportSize = 0 } = list.current ?? {}
    if (hasMore && rows.length > 0 && scrollSize <= viewportSize) conversation.read(root).catch(() => undefined)
  }, [hasMore, rows, conversation, root])

  return (
    <div className={styles.view}>
      <VList
        ref={list}
        className={styles.list}
        data={rows}
        shift={isPrepended}
        itemSize={rowPixels}
        bufferSize={600}
        tabIndex={0}
        role="region"
        aria-label="Conversation"
        onScroll={scrolled}
        onResize={() => isAtEnd && scrollToEnd()}
      >
        {(row: Row) => (
          <RowView
            key={row.key}
            row={row}
            parts={row.kind === 'message' ? transcript.parts.get(row.message.info.id) : undefined}
          />
        )}
      </VList>
      {!isAtEnd && (
        <div className={styles.jump}>
          <Button size="small" icon={<ArrowDown size={14} />} onClick={() => setAtEnd(true)}>
            Jump to newest
          </Button>
        </div>
      )}
    </div>
  )
}

/** Rows came before the others, so that those must not move. */
function useIsPrepended(rows: readonly Row[]): boolean {
  const before = useRef(rows)
  const isPrepended = useRef(false)
  if (before.current !== rows) {
    const was = before.current
    isPrepended.current = was.length > 0 && rows.length > was.length && rows.at(-1)?.key === was.at(-1)?.key
    before.current = rows
  }
  return isPrepended.current
}
