/**
 * One WebSocket, from its opening to its end. What has come waits here, as text, until it is taken. A
 * WebSocket cannot be told to wait: past 16 Mi characters it is closed, to be taken up again when these have been read.
 */
export type Connection<Frame> = {
  /**
   * Some of what has come, in order; nothing when `timeoutMs` passed without anything. Null when all has been taken and
   * nothing more will come.
   */
  take(timeoutMs: number): Promise<Frame[] | null>
  /** Lost when it is not open any more. */
  send(text: string): void
  /** It was closed because too much was waiting. */
  overrun(): boolean
  /** By the other side; null before. */
  closeCode(): number | null
  /** Nothing is handed out any more. */
  close(): void
}

const maxWaitingCharacters = 16 * 1024 * 1024
/** What is parsed at once. */
const takeCharacters = 1024 * 1024

/** Null when it was refused, or `opening` aborted first. A browser does not show why. */
export function connect<Frame>(
  url: URL,
  protocols: string[],
  opening: AbortSignal,
  /** The frames in one message. */
  framesIn: (text: string) => Frame[],
): Promise<Connection<Frame> | null> {
  const socket = new WebSocket(url, protocols)
  const opened = new Promise<boolean>((resolve) => {
    socket.addEventListener('open', () => resolve(true))
    socket.addEventListener('close', () => resolve(false))
    opening.addEventListener('abort', () => resolve(false))
    if (opening.aborted) resolve(false)
  })
  const connection = receive(socket, framesIn)
  return opened.then((isOpen) => {
    if (isOpen) return connection
    connection.close()
    return null
  })
}

function receive<Frame>(socket: WebSocket, framesIn: (text: string) => Frame[]): Connection<Frame> {
  let waiting: string[] = []
  let waitingCharacters = 0
  let ended = false
  let overrun = false
  let closeCode: number | null = null
  let wake = () => {}

  function end(): void {
    ended = true
    socket.close()
    wake()
  }

  socket.addEventListener('message', ({ data }) => {
    if (ended) return
    const text = String(data)
    waiting.push(text)
    waitingCharacters += text.length
    overrun = waitingCharacters > maxWaitingCharacters
    if (overrun) end()
    else wake()
  })
  socket.addEventListener('close', ({ code }) => {
    closeCode = code
    end()
  })
  // `close` follows every error and says as much.
  socket.addEventListener('error', () => {})

  function news(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  return {
    async take(timeoutMs) {
      if (waiting.length === 0 && !ended) await news(timeoutMs)
      if (waiting.length === 0) return ended ? null : []
      let characters = 0
      const rest = waiting.findIndex((text, i) => {
        if (i > 0 && characters + text.length > takeCharacters) return true
        characters += text.length
        return false
      })
      const taken = waiting.splice(0, rest === -1 ? waiting.length : rest)
      waitingCharacters -= characters
      return taken.flatMap(framesIn)
    },
    send(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    overrun: () => overrun,
    closeCode: () => closeCode,
    close() {
      waiting = []
      end()
    },
  }
}
