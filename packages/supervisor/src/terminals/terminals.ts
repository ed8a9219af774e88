/**
 * All terminals of this sandbox, and the server's words about them. A terminal lives from `terminal.open` to its end, and
 * never longer than the supervisor: who starts after it ends what it left. Each viewer's bytes have a connection of their
 * own to the server, so they hold up no event and no heartbeat.
 */
import {
  commandRefusals,
  type DownMethod,
  downMethods,
  type PtyId,
  type SessionId,
  terminalChannelPath,
  terminalLimits,
} from '@corral/protocol'
import { WebSocket } from 'ws'
import type { z } from 'zod'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { RpcError, rpcCodes } from '../link/peer.ts'
import { NoTerminal, openPty } from './pty.ts'
import { createTerminal, type Terminal } from './terminal.ts'

export type Terminals = {
  command(method: string, params: unknown): unknown
  /** How many there are. */
  count(): number
  /** The session is this sandbox's no longer. */
  release(session: SessionId): Promise<void>
  stop(): Promise<void>
}

export type TerminalMethod = Extract<DownMethod, `terminal.${string}`>
const dialMs = 5_000

export function createTerminals(options: {
  /** A Unix socket's path, or `wss://host`; and what it is opened with. */
  door: string
  token: string
  /** Where a session's programs run; null while its workspace is not ready. */
  placeOf(session: SessionId): { cwd: string; environment: Record<string, string> } | null
  log: Log
}): Terminals {
  const { door, token, placeOf, log } = options
  const terminals = new Map<PtyId, { session: SessionId; terminal: Promise<Terminal> }>()

  /** What is over, and may not be gone yet. */
  const leaving = new Set<Promise<void>>()

  function check<P>(schema: z.ZodType<P>, params: unknown): P {
    const checked = schema.safeParse(params)
    if (checked.success) return checked.data
    throw new RpcError(rpcCodes.invalidParams, `The parameters are not valid: ${checked.error.issues[0]?.message}`)
  }

  const ofSession = (session: SessionId) => [...terminals.values()].filter((own) => own.session === session)

  async function find(session: SessionId, ptyId: PtyId): Promise<Terminal> {
    const found = terminals.get(ptyId)
    if (found?.session !== session) throw new RpcError(commandRefusals.unknownTerminal, 'There is no such terminal.')
    return found.terminal
  }

  const commands = {
    async 'terminal.open'(params) {
      const { session, ptyId, cols, rows, environment, timeouts } = check(downMethods['terminal.open'].params, params)
      const known = terminals.get(ptyId)
      if (!known) {
        const place = placeOf(session)
        if (!place) throw new RpcError(commandRefusals.notPrepared, 'The workspace is not prepared.')
        if (ofSession(session).length >= terminalLimits.perSession)
          throw new RpcError(commandRefusals.tooManyTerminals, 'This session has enough terminals.')
        const terminal = start({ session, ptyId, size: { cols, rows }, place, environment, timeouts })
        terminals.set(ptyId, { session, terminal })
        terminal.catch(() => terminals.delete(ptyId))
      }
      await find(session, ptyId)
      return { accepted: true }
    },
    async 'terminal.attach'(params) {
      const { session, ptyId, channel } = check(downMethods['terminal.attach'].params, params)
      const terminal = await find(session, ptyId)
      dial(terminalChannelPath(channel), (socket) => terminal.attach(socket))
      return { accepted: true }
    },
    async 'terminal.resize'(params) {
      const { session, ptyId, cols, rows } = check(downMethods['terminal.resize'].params, params)
      const terminal = await find(session, ptyId)
      terminal.resize({ cols, rows })
      return { accepted: true }
    },
    async 'terminal.close'(params) {
      const { session, ptyId } = check(downMethods['terminal.close'].params, params)
      const terminal = await find(session, ptyId)
      void terminal.end('closed')
      return { accepted: true }
    },
    async 'terminal.list'(params) {
      const { session } = check(downMethods['terminal.list'].params, params)
      const own = await Promise.allSettled(ofSession(session).map(({ terminal }) => terminal))
      const running = own.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      return { terminals: running.map((one) => ({ ptyId: one.ptyId, ...one.size(), attached: one.isAttached() })) }
    },
  } satisfies Record<TerminalMethod, (params: unknown) => unknown>

  async function start(how: {
    session: SessionId
    ptyId: PtyId
    size: { cols: number; rows: number }
    place: { cwd: string; environment: Record<string, string> }
    environment: Record<string, string>
    timeouts: { idleMs: number; unattendedMs: number }
  }): Promise<Terminal> {
    const { session, ptyId, size, place, timeouts } = how
    try {
      const pty = await openPty({
        mark: terminalMark(ptyId),
        cwd: place.cwd,
        environment: { ...place.environment, ...how.environment },
        size,
      })
      log('info', 'a terminal was opened', { session, ptyId })
      return createTerminal({
        ...{ ptyId, pty, size, timeouts },
        over({ reason, exitCode }, gone) {
          terminals.delete(ptyId)
          leaving.add(gone)
          void gone.finally(() => leaving.delete(gone))
          log('info', 'a terminal has ended', { session, ptyId, reason, exitCode })
        },
        failed: (error) => log('error', 'a terminal may not be gone', { session, ptyId, error: errorText(error) }),
      })
    } catch (error) {
      log('warn', 'a terminal could not be opened', { session, ptyId, error: errorText(error) })
      if (!(error instanceof NoTerminal)) throw error
      throw new RpcError(commandRefusals.noTerminals, 'This sandbox cannot start a terminal.')
    }
  }

  function dial(path: string, opened: (socket: WebSocket) => void): void {
    const url = door.startsWith('/') ? `ws+unix:${door}:${path}` : `${door.replace(/\/$/, '')}${path}`
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: dialMs,
      maxPayload: terminalLimits.frameBytes,
      perMessageDeflate: false,
    })
    socket.on('open', () => opened(socket))
    socket.on('error', (error) => log('info', 'the socket of a terminal failed', { error: error.message }))
  }

  async function endAll(some: { terminal: Promise<Terminal> }[], reason: 'released' | 'stopped'): Promise<void> {
    const started = await Promise.allSettled(some.map(({ terminal }) => terminal))
    await Promise.all(started.flatMap((one) => (one.status === 'fulfilled' ? [one.value.end(reason)] : [])))
  }

  const isCommand = (method: string): method is TerminalMethod => Object.hasOwn(commands, method)

  return {
    command(method, params) {
      if (!isCommand(method)) throw new RpcError(rpcCodes.methodNotFound, `There is no command ${method}.`)
      return commands[method](params)
    },
    count: () => terminals.size,
    release: (session) => endAll(ofSession(session), 'released'),
    async stop() {
      await endAll([...terminals.values()], 'stopped')
      await Promise.all(leaving)
    },
  }
}

/** What runs in a terminal, wherever it has moved to. */
const terminalMark = (ptyId: PtyId): string => `CORRAL_TERMINAL=${ptyId}`
