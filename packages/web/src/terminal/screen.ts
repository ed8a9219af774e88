/**
 * xterm in an element, fitted to it. What programs write is hostile: links are text, and nothing that they write reaches
 * the clipboard, the title of the page, or a window.
 */
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { holdStrictStyles } from './strictStyles.ts'

export type Screen = {
  /** Resolves when it is shown. */
  write(bytes: Uint8Array): Promise<void>
  clear(): void
  focus(): void
  size(): { cols: number; rows: number }
  setScreenReader(on: boolean): void
  dispose(): void
}

/** The page's own limits of a terminal's size, and the server's. */
const least = { cols: 2, rows: 2 }
const most = { cols: 500, rows: 200 }
const settleMs = 100

export function openScreen(
  host: HTMLElement,
  on: {
    typed(text: string): void
    typedBytes(bytes: Uint8Array<ArrayBuffer>): void
    resized(size: { cols: number; rows: number }): void
    /** Shift and Escape: the keyboard's way out, since Tab is the terminal's. */
    left(): void
  },
): Screen {
  const { color, backgroundColor, fontFamily } = getComputedStyle(host)
  const giveUpStyles = holdStrictStyles()
  const terminal = new Terminal({
    theme: { background: backgroundColor, foreground: color, cursor: color },
    fontFamily,
    fontSize: 13,
    scrollback: 5_000,
    cursorBlink: false,
    linkHandler: { activate: () => undefined },
  })
  const fit = new FitAddon()
  terminal.loadAddon(fit)
  terminal.open(host)
  terminal.onData(on.typed)
  terminal.onBinary((text) => on.typedBytes(Uint8Array.from(text, (character) => character.charCodeAt(0))))
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key !== 'Escape' || !event.shiftKey) return true
    if (event.type === 'keydown') on.left()
    return false
  })

  // Keys are the terminal's: to the page around it Escape would mean something else.
  host.addEventListener('keydown', keepFromPage)

  const size = () => ({ cols: terminal.cols, rows: terminal.rows })
  function fitNow(): void {
    const proposed = fit.proposeDimensions()
    if (!proposed || Number.isNaN(proposed.cols)) return
    const cols = Math.min(most.cols, Math.max(least.cols, proposed.cols))
    const rows = Math.min(most.rows, Math.max(least.rows, proposed.rows))
    if (cols !== terminal.cols || rows !== terminal.rows) terminal.resize(cols, rows)
  }
  let settling: ReturnType<typeof setTimeout> | undefined
  const observer = new ResizeObserver(() => {
    clearTimeout(settling)
    settling = setTimeout(fitNow, settleMs)
  })
  observer.observe(host)
  fitNow()
  terminal.onResize(() => on.resized(size()))

  return {
    write: (bytes) => new Promise((resolve) => terminal.write(bytes, resolve)),
    clear: () => terminal.reset(),
    focus: () => terminal.focus(),
    size,
    setScreenReader(isOn) {
      terminal.options.screenReaderMode = isOn
    },
    dispose() {
      clearTimeout(settling)
      observer.disconnect()
      host.removeEventListener('keydown', keepFromPage)
      terminal.dispose()
      giveUpStyles()
    },
  }
}

const keepFromPage = (event: KeyboardEvent): void => event.stopPropagation()
