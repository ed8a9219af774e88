/** One terminal on the page: its bytes on a screen, what is typed back, and how the two stand. */
import type { CorralTerminal, TerminalItem } from '@corral/client'
import type { PtyId, SessionId } from '@corral/protocol'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { useCorral } from '../app/corral.tsx'
import type { Screen } from './screen.ts'
import styles from './Terminal.module.css'

type Ended = Extract<TerminalItem, { kind: 'ended' }>
type State = { phase: 'connecting' } | { phase: 'live' } | { phase: 'away' } | { phase: 'over'; why: string }

const reasons = {
  closed: 'The terminal was closed.',
  idle: 'The terminal was closed, since nobody typed for half an hour.',
  unattended: 'The terminal was closed, since nobody looked at it.',
  released: 'The session is no longer in this sandbox.',
  stopped: 'The sandbox was stopped.',
  taken: 'This terminal is open in another place now.',
  lost: 'The sandbox is not there any more.',
} satisfies Record<Exclude<Ended['reason'], 'exited'>, string>

export function TerminalView(props: {
  sessionId: SessionId
  ptyId: PtyId
  screenReader: boolean
  /** Gets the focus when the keyboard leaves the terminal. */
  exit: RefObject<HTMLElement | null>
  onOver(): void
}) {
  const { sessionId, ptyId, screenReader, exit, onOver } = props
  const corral = useCorral()
  const host = useRef<HTMLDivElement>(null)
  const [screen, setScreen] = useState<Screen | null>(null)
  const [state, setState] = useState<State>({ phase: 'connecting' })

  useEffect(() => {
    const element = host.current
    if (!element) return
    const leaving = new AbortController()
    let shown: Screen | null = null
    async function live(to: HTMLElement): Promise<void> {
      // A fifth of a megabyte that most who look at a session do not need.
      const [{ openScreen }, terminal] = await Promise.all([
        import('./screen.ts'),
        corral.terminal(sessionId, { ptyId }),
      ])
      if (leaving.signal.aborted) return
      const opened = openScreen(to, {
        typed: (text) => void terminal.write(text),
        typedBytes: (bytes) => void terminal.write(bytes),
        resized: () => resize(opened, terminal, leaving.signal),
        left: () => exit.current?.focus(),
      })
      shown = opened
      setScreen(opened)
      opened.focus()
      for await (const item of terminal.output({ signal: leaving.signal })) {
        if (item.kind === 'output') await opened.write(item.bytes)
        else if (item.kind === 'attached') {
          opened.clear()
          setState({ phase: 'live' })
          resize(opened, terminal, leaving.signal)
        } else if (item.kind === 'disconnected') setState({ phase: 'away' })
        else {
          setState({ phase: 'over', why: whyOf(item) })
          onOver()
        }
      }
    }
    live(element).catch((error: unknown) => {
      if (leaving.signal.aborted) return
      setState({ phase: 'over', why: error instanceof Error ? error.message : String(error) })
    })
    return () => {
      leaving.abort()
      shown?.dispose()
      setScreen(null)
    }
  }, [corral, sessionId, ptyId, exit, onOver])

  useEffect(() => screen?.setScreenReader(screenReader), [screen, screenReader])

  return (
    <>
      <section ref={host} className={styles.screen} aria-label="Terminal; Shift and Escape leave it" />
      <p className={styles.state} role="status">
        {sentenceOf(state)}
      </p>
    </>
  )
}

/** What does not arrive comes again with the next change or connection. */
function resize(screen: Screen, terminal: CorralTerminal, signal: AbortSignal): void {
  terminal.resize(screen.size()).catch((error: unknown) => {
    if (!signal.aborted) console.warn('The size of the terminal could not be changed.', error)
  })
}

function whyOf({ reason, exitCode }: Ended): string {
  if (reason !== 'exited') return reasons[reason]
  return exitCode === 0 || exitCode === null
    ? 'The shell has ended.'
    : `The shell has ended with exit code ${exitCode}.`
}

function sentenceOf(state: State): string {
  switch (state.phase) {
    case 'connecting':
      return 'Connecting …'
    case 'live':
      return ''
    case 'away':
      return 'The connection is gone; taking it up again …'
    case 'over':
      return state.why
  }
}
