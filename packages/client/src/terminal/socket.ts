/**
 * The WebSocket of one terminal, from its opening to its end. What has come waits here until it is taken; the server
 * sends no more than a window of bytes before it is told that they were shown, so little waits.
 */
import { type TerminalAck, type TerminalNews, terminalNewsSchema } from '@corral/protocol'

export type TerminalFrame = { kind: 'bytes'; bytes: Uint8Array<ArrayBuffer> } | { kind: 'news'; news: TerminalNews }

export type TerminalSocket = {
  /** The next frame; null when all have been taken and nothing more will come. */
  take(): Promise<TerminalFrame | null>
  /** So much of what was taken has been shown. */
  shown(bytes: number): void
  /** False: it cannot be sent now. */
  send(bytes: Uint8Array<ArrayBuffer>): boolean
  /** By the other side; null before. */
  closeCode(): number | null
  close(): void
}

/** What the other side has not taken yet; more is refused. */
const unsentBytes = 1024 * 1024
const frameBytes = 32 * 1024

/** Null when it was refused, or `opening` aborted first. A browser does not show why. */
export function openTerminalSocket(
  url: URL,
  protocols: string[],
  opening: AbortSignal,
): Promise<TerminalSocket | null> {
  const socket = new WebSocket(url, protocols)
  socket.binaryType = 'arraybuffer'
  const opened = new Promise<boolean>((resolve) => {
    socket.addEventListener('open', () => resolve(true))
    socket.addEventListener('close', () => resolve(false))
    opening.addEventListener('abort', () => resolve(false))
    if (opening.aborted) resolve(false)
  })
  const terminal = receive(socket)
  return opened.then((isOpen) => {
    if (isOpen) return terminal
    terminal.close()
    return null
  })
}

function receive(socket: WebSocket): TerminalSocket {
  const waiting: TerminalFrame[] = []
  let closeCode: number | null = null
  let ended = false
  let wake = () => {}

  function end(): void {
    ended = true
    socket.close()
    wake()
  }

  socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (data instanceof ArrayBuffer) waiting.push({ kind: 'bytes', bytes: new Uint8Array(data) })
    else {
      // A newer server may have more to tell.
      const news = terminalNewsSchema.safeParse(JSON.parse(String(data)))
      if (news.success) waiting.push({ kind: 'news', news: news.data })
    }
    wake()
  })
  socket.addEventListener('close', ({ code }) => {
    closeCode = code
    end()
  })
  // `close` follows every error and says as much.
  socket.addEventListener('error', () => {})

  const isOpen = () => socket.readyState === WebSocket.OPEN

  return {
    async take() {
      while (waiting.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return waiting.shift() ?? null
    },
    shown(bytes) {
      if (isOpen()) socket.send(JSON.stringify({ type: 'ack', bytes } satisfies TerminalAck))
    },
    send(bytes) {
      if (!isOpen() || socket.bufferedAmount + bytes.length > unsentBytes) return false
      for (let from = 0; from < bytes.length; from += frameBytes) socket.send(bytes.subarray(from, from + frameBytes))
      return true
    },
    closeCode: () => closeCode,
    close: end,
  }
}
