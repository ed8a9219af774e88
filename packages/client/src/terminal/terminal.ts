/**
 * A terminal in a session's sandbox, across lost connections: a new one shows what was shown before and what came
 * meanwhile. Invariants: the next bytes are asked for when the last ones were taken, so a slow reader slows the program
 * down and fills no memory; it ends once, and says why.
 */
import { type PtyId, type TerminalEnd, type TerminalSize, type TerminalView, terminalClose } from '@corral/protocol'
import { answered, CorralCallError } from '../callError.ts'
import { pause } from '../pause.ts'
import { openTerminalSocket, type TerminalSocket } from './socket.ts'

export type TerminalItem =
  /** What follows begins with what was shown before, so clear the screen. */
  | ({ kind: 'attached' } & TerminalSize)
  | { kind: 'output'; bytes: Uint8Array<ArrayBuffer> }
  /** The connection is gone; it is taken up again after `retryInMs`. */
  | { kind: 'disconnected'; retryInMs: number }
  /** The last item. `taken`: another viewer has it now; `lost`: its supervisor or its sandbox ended without a word. */
  | { kind: 'ended'; reason: TerminalEnd['reason'] | 'taken' | 'lost'; exitCode: number | null }

export type CorralTerminal = {
  ptyId: PtyId
  /** To be read by one reader. Ends with `ended`, or when `signal` aborts; throws when access has ended. */
  output(options?: { signal?: AbortSignal }): AsyncGenerator<TerminalItem, void, undefined>
  /** False: it was not sent, since the connection is away, or too much waits already. */
  write(data: string | Uint8Array<ArrayBuffer>): boolean
  resize(size: TerminalSize): Promise<void>
  /** Ends it and all that runs in it. */
  close(): Promise<void>
}

/** What a terminal needs of the server. */
export type TerminalDoor = {
  socketUrl: URL
  ticket(signal: AbortSignal): Promise<string>
  list(signal: AbortSignal): Promise<TerminalView[]>
  resize(size: TerminalSize): Promise<unknown>
  close(): Promise<unknown>
}

const firstDelayMs = 250
const longestDelayMs = 8_000
const openMs = 10_000

export function createTerminal(ptyId: PtyId, door: TerminalDoor): CorralTerminal {
  let socket: TerminalSocket | null = null

  async function* output({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<TerminalItem, void, undefined> {
    let delayMs = firstDelayMs
    while (!signal?.aborted) {
      const opened = await open(signal)
      if (opened === 'over') return yield over('lost')
      if (opened !== null) {
        delayMs = firstDelayMs
        const end = yield* show(opened, signal)
        if (end === 'over' || signal?.aborted) return
      }
      const retryInMs = Math.round(delayMs * (0.5 + Math.random() / 2))
      yield { kind: 'disconnected', retryInMs }
      await pause(retryInMs, signal)
      delayMs = Math.min(delayMs * 2, longestDelayMs)
    }
  }

  /** Null: not now. */
  async function open(signal: AbortSignal | undefined): Promise<TerminalSocket | 'over' | null> {
    const within = () => AbortSignal.any([AbortSignal.timeout(openMs), ...(signal ? [signal] : [])])
    const ticket = await answered(door.ticket(within()))
    if (ticket === null) return null
    const opened = await openTerminalSocket(door.socketUrl, ['corral.v1', `corral.ticket.${ticket}`], within())
    if (opened !== null) return opened
    // Browsers do not show why a socket was refused.
    const all = await answered(door.list(within()))
    return all?.every((one) => one.ptyId !== ptyId) ? 'over' : null
  }

  async function* show(
    opened: TerminalSocket,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TerminalItem, 'over' | 'lost', undefined> {
    socket = opened
    signal?.addEventListener('abort', opened.close)
    try {
      for (let frame = await opened.take(); frame && !signal?.aborted; frame = await opened.take()) {
        if (frame.kind === 'bytes') {
          yield { kind: 'output', bytes: frame.bytes }
          // Whoever comes for the next item has shown this one.
          opened.shown(frame.bytes.length)
        } else if (frame.news.type === 'attached') {
          const { cols, rows } = frame.news
          yield { kind: 'attached', cols, rows }
        } else {
          const { reason, exitCode } = frame.news
          yield { kind: 'ended', reason, exitCode }
          return 'over'
        }
      }
    } finally {
      signal?.removeEventListener('abort', opened.close)
      socket = null
      opened.close()
    }
    switch (opened.closeCode()) {
      case terminalClose.accessEnded:
        throw new CorralCallError('session_not_found', 'Access to this session has ended.')
      case terminalClose.deleted:
        throw new CorralCallError('session_not_found', 'The session was deleted.')
      case terminalClose.taken:
        yield over('taken')
        return 'over'
      default:
        return 'lost'
    }
  }

  return {
    ptyId,
    output,
    write: (data) => socket?.send(typeof data === 'string' ? new TextEncoder().encode(data) : data) ?? false,
    resize: async (size) => void (await door.resize(size)),
    close: async () => void (await door.close()),
  }
}

const over = (reason: 'taken' | 'lost') => ({ kind: 'ended', reason, exitCode: null }) as const
