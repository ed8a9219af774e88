/**
 * One terminal: its shell, what that has written, and at most one viewer, who takes the bytes at their own pace.
 * Invariants: it ends once, for one reason, which its viewer is told; between two viewers nothing is lost, since the shell
 * waits when nobody takes what it writes; nobody who types and nobody who looks bound its life.
 */
import {
  closeOfEnd,
  type PtyId,
  type TerminalClose,
  type TerminalEnd,
  type TerminalEndReason,
  type TerminalNews,
  type TerminalSize,
  terminalAckSchema,
  terminalClose,
  terminalLimits,
} from '@corral/protocol'
import { WebSocket } from 'ws'
import { createBacklog } from './backlog.ts'
import type { Pty } from './pty.ts'

export type Terminal = {
  ptyId: PtyId
  size(): TerminalSize
  isAttached(): boolean
  /** Shows it here, and nowhere else any more. */
  attach(socket: WebSocket): void
  resize(size: TerminalSize): void
  /** Resolves when nothing of it runs; never rejects. */
  end(reason: TerminalEndReason): Promise<void>
}

type Viewer = { socket: WebSocket; unackedBytes: number }

export function createTerminal(options: {
  ptyId: PtyId
  pty: Pty
  size: TerminalSize
  timeouts: { idleMs: number; unattendedMs: number }
  /** It is over; `gone` resolves when nothing of it runs. */
  over(end: TerminalEnd, gone: Promise<void>): void
  /** Something of it may be left. */
  failed(error: unknown): void
}): Terminal {
  const { ptyId, pty, timeouts } = options
  const backlog = createBacklog({ seenBytes: terminalLimits.scrollbackBytes })
  let { size } = options
  let viewer: Viewer | null = null
  /** `exited`: its shell has ended, and the viewer, who may come yet, has not seen all of it. */
  let state: 'open' | { exited: number | null } | 'over' = 'open'
  let ending: Promise<void> | null = null

  const idle = setTimeout(() => void end('idle'), timeouts.idleMs)
  const waitForViewer = () => setTimeout(() => void end('unattended'), timeouts.unattendedMs)
  let unattended = waitForViewer()

  pty.output.on('data', (chunk: Buffer) => {
    backlog.push(chunk)
    pump()
  })
  void pty.ended.then((exitCode) => {
    if (state !== 'open') return
    state = { exited: exitCode }
    pump()
  })

  function tell({ socket }: Viewer, news: TerminalNews): void {
    socket.send(JSON.stringify(news))
  }

  /** Sends what the viewer takes, and lets the shell write on when there is room. */
  function pump(): void {
    while (viewer && isWilling(viewer)) {
      const room = Math.min(terminalLimits.frameBytes, terminalLimits.windowBytes - viewer.unackedBytes)
      const chunk = backlog.take(room)
      if (!chunk) break
      viewer.unackedBytes += chunk.length
      viewer.socket.send(chunk, pump)
    }
    if (backlog.unseenBytes() < terminalLimits.unseenBytes) pty.output.resume()
    else pty.output.pause()
    if (typeof state === 'object' && viewer && backlog.unseenBytes() === 0) void end('exited')
  }

  function detach(why: TerminalClose): void {
    const gone = viewer
    viewer = null
    gone?.socket.close(terminalClose[why])
  }

  function attach(socket: WebSocket): void {
    if (state === 'over') {
      socket.close(terminalClose.closed)
      return
    }
    detach('taken')
    const own: Viewer = { socket, unackedBytes: 0 }
    viewer = own
    clearTimeout(unattended)
    socket.on('message', (data: Buffer, isBinary) => {
      if (viewer !== own) return
      if (isBinary) type(own, data)
      else acknowledge(own, data.toString())
    })
    socket.on('close', () => {
      if (viewer !== own) return
      viewer = null
      clearTimeout(unattended)
      if (state !== 'over') unattended = waitForViewer()
    })
    tell(own, { type: 'attached', ...size })
    backlog.rewind()
    pump()
  }

  function type({ socket }: Viewer, bytes: Buffer): void {
    idle.refresh()
    if (pty.input.write(bytes) || pty.input.destroyed) return
    socket.pause()
    pty.input.once('drain', () => socket.resume())
  }

  function acknowledge(own: Viewer, text: string): void {
    const ack = terminalAckSchema.safeParse(parse(text))
    if (ack.success && ack.data.bytes <= own.unackedBytes) {
      own.unackedBytes -= ack.data.bytes
      pump()
    } else own.socket.close(terminalClose.protocolError)
  }

  function end(reason: TerminalEndReason): Promise<void> {
    ending ??= finish(reason)
    return ending
  }

  function finish(reason: TerminalEndReason): Promise<void> {
    const exitCode = typeof state === 'object' ? state.exited : null
    state = 'over'
    clearTimeout(idle)
    clearTimeout(unattended)
    const told: TerminalEnd = { reason, exitCode }
    if (viewer) tell(viewer, { type: 'ended', ...told })
    detach(closeOfEnd[reason])
    const gone = pty.end().catch(options.failed)
    options.over(told, gone)
    return gone
  }

  return {
    ptyId,
    size: () => size,
    isAttached: () => viewer !== null,
    attach,
    resize(next) {
      size = next
      idle.refresh()
      pty.resize(next)
    },
    end,
  }
}

const isWilling = ({ socket, unackedBytes }: Viewer): boolean =>
  socket.readyState === WebSocket.OPEN &&
  unackedBytes < terminalLimits.windowBytes &&
  socket.bufferedAmount < terminalLimits.frameBytes

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
