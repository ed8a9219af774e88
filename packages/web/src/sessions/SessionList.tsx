/**
 * The lines of the list, of which those near the screen are there. It moves by keyboard: j and k (or the arrows) from
 * one session to the next, Enter opens the one that has the focus.
 */
import type { SessionRow } from '@corral/protocol'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import { type SessionAction, SessionLine } from './SessionLine.tsx'
import styles from './SessionList.module.css'
import { linesOf } from './sessionList.ts'
import { useSessionCosts } from './useSessionCosts.ts'
import { useShortcuts } from './useShortcuts.ts'

const linePx = 58
/** Costs are asked for in steps, so that scrolling does not ask for every line anew. */
const costStep = 40
const costLines = 100

export function SessionList(props: {
  rows: readonly SessionRow[]
  organizationOf: (row: SessionRow) => string | null
  onAction: (action: SessionAction, row: SessionRow) => void
}) {
  const { rows, organizationOf, onAction } = props
  const page = useRef<HTMLElement | null>(null)
  const list = useRef<HTMLDivElement>(null)
  const virtualizer = useRef<VirtualizerHandle>(null)
  const [margin, setMargin] = useState(0)
  const [costsFrom, setCostsFrom] = useState(0)
  const lines = useMemo(() => linesOf(rows, Date.now()), [rows])
  const costs = useSessionCosts(rows.slice(costsFrom, costsFrom + costLines))

  useLayoutEffect(() => {
    page.current = document.getElementById('page')
    setMargin(list.current?.offsetTop ?? 0)
  }, [])

  function scrolled(offset: number): void {
    const first = virtualizer.current?.findItemIndex(offset) ?? 0
    setCostsFrom(Math.max(0, Math.floor(first / costStep) * costStep - costStep))
  }

  // The session that is to have the focus once its line is there.
  const wanted = useRef<string | null>(null)
  useEffect(() => {
    if (wanted.current !== null && focusLine(list.current, wanted.current)) wanted.current = null
  })

  function move(by: 1 | -1): void {
    const focused = document.activeElement?.getAttribute('data-session')
    const at = rows.findIndex(({ sessionId }) => sessionId === focused)
    const next = at === -1 ? (by === 1 ? rows[0] : rows.at(-1)) : rows[at + by]
    if (!next) return
    wanted.current = next.sessionId
    virtualizer.current?.scrollToIndex(
      lines.findIndex((line) => line.kind === 'session' && line.row === next),
      { align: 'nearest' },
    )
    if (focusLine(list.current, next.sessionId)) wanted.current = null
  }
  useShortcuts((key) => {
    const by = key === 'j' || key === 'ArrowDown' ? 1 : key === 'k' || key === 'ArrowUp' ? -1 : null
    if (by !== null) move(by)
    return by !== null
  })

  return (
    <div ref={list} className={styles.list}>
      <Virtualizer
        ref={virtualizer}
        as="ol"
        item="li"
        data={lines}
        scrollRef={page}
        startMargin={margin}
        itemSize={linePx}
        onScroll={scrolled}
      >
        {(line) =>
          line.kind === 'group' ? (
            <h2 key={line.group} className={styles.group}>
              {line.group}
            </h2>
          ) : (
            <SessionLine
              key={line.row.sessionId}
              row={line.row}
              cost={costs.get(line.row.cloudAgentSessionId)}
              organization={organizationOf(line.row)}
              onAction={onAction}
            />
          )
        }
      </Virtualizer>
    </div>
  )
}

function focusLine(list: HTMLElement | null, sessionId: string): boolean {
  const link = list?.querySelector<HTMLElement>(`[data-session="${CSS.escape(sessionId)}"]`)
  link?.focus({ preventScroll: true })
  return link !== null && link !== undefined
}
