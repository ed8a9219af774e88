/**
 * Terminals in the sandboxes of sessions, as faces may ask for them. They live in the sandbox: the supervisor knows which
 * there are, and the server keeps nothing of them but who looks now, so its restart ends none. Every call checks access
 * first. What goes through them is in no log; see docs/terminals.md.
 */
import {
  CorralError,
  type DownMethod,
  type DownParams,
  type DownResult,
  newPtyId,
  type PtyId,
  type SandboxId,
  type SessionId,
  type TerminalSize,
  type TerminalView,
  terminalLimits,
} from '@corral/protocol'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import type { Timers } from '../config.ts'
import type { Caller } from '../identity/caller.ts'
import { CommandRefused, type Link } from '../supervisors/link.ts'
import type { Links } from '../supervisors/links.ts'
import type { Channels, SandboxLife } from './channels.ts'
import { createRelay, type Relay, type RelayTimers } from './relay.ts'

/** What access to a session has said. */
export type TerminalPlace = { id: SessionId; sandboxId: SandboxId | null }

export type Terminals = {
  create(caller: Caller, id: SessionId, size: TerminalSize): Promise<TerminalSize & { ptyId: PtyId }>
  resize(caller: Caller, id: SessionId, ptyId: PtyId, size: TerminalSize): Promise<void>
  /** A success, too, when it is not there. */
  close(caller: Caller, id: SessionId, ptyId: PtyId): Promise<void>
  list(caller: Caller, id: SessionId): Promise<TerminalView[]>
  /** Throws `terminal_not_found`. Access was looked at. */
  find(place: TerminalPlace, ptyId: PtyId): Promise<void>
  /** Lets a viewer have it; whoever had it before has it no longer. Access was looked at. */
  show(place: TerminalPlace, ptyId: PtyId, viewer: WebSocket): Relay
  /** Whether somebody works at a terminal in this sandbox. */
  isUsed(sandboxId: SandboxId): boolean
}

const relayTimers: RelayTimers = { pingMs: 20_000, silenceMs: 45_000 }
/** Within this time of our start, or of its last word, a supervisor that runs has dialed again. */
const returnMs = 15_000

export function createTerminals(deps: {
  access(caller: Caller, id: SessionId): Promise<TerminalPlace>
  links: Pick<Links, 'of' | 'silentForMs' | 'acceptingForMs'>
  channels: Pick<Channels, 'expect'>
  /** How programs of the session reach the web. */
  environmentOf(id: SessionId, life: SandboxLife): Promise<Record<string, string>>
  timers: Pick<Timers, 'commandMs' | 'terminalIdleMs' | 'terminalUnattendedMs'>
  logger: Logger
}): Terminals {
  const { access, links, channels, environmentOf, timers, logger } = deps
  /** Who looks at which terminal. Named with its session: a sandbox may claim that it has any. */
  const shown = new Map<string, { sandboxId: SandboxId; relay: Relay }>()

  /** Null while its sandbox does not run, or does not know the session. Throws while it may be on its way to us. */
  function linkOf({ id, sandboxId }: TerminalPlace): Link | null {
    const link = sandboxId && links.of(sandboxId)
    const silentMs = sandboxId
      ? Math.min(links.silentForMs(sandboxId), links.acceptingForMs())
      : Number.POSITIVE_INFINITY
    if (!link && silentMs < returnMs) throw new CorralError('unavailable')
    return link?.serves(id) ? link : null
  }

  async function ask<M extends DownMethod>(link: Link, method: M, params: DownParams<M>): Promise<DownResult<M>> {
    try {
      return await link.call(method, params, timers.commandMs)
    } catch (error) {
      throw refusalOf(error)
    }
  }

  async function listAt(place: TerminalPlace): Promise<TerminalView[]> {
    const link = linkOf(place)
    if (!link) return []
    return (await ask(link, 'terminal.list', { session: place.id })).terminals
  }

  /** Its channel; null when it does not come. */
  async function channelTo({ id: session, sandboxId }: TerminalPlace, ptyId: PtyId): Promise<WebSocket | null> {
    const link = sandboxId && links.of(sandboxId)
    if (!link) return null
    const { name, arrived, cancel } = channels.expect(link)
    const asked = link.call('terminal.attach', { session, ptyId, channel: name }, timers.commandMs)
    asked.catch((error: unknown) => {
      logger.info({ session, error }, 'a terminal could not be shown')
      cancel()
    })
    return arrived
  }

  return {
    async create(caller, id, size) {
      const link = linkOf(await access(caller, id))
      if (!link) throw new CorralError('sandbox_not_running')
      const ptyId = newPtyId()
      await ask(link, 'terminal.open', {
        ...{ session: id, ptyId, ...size },
        environment: await environmentOf(id, link),
        timeouts: { idleMs: timers.terminalIdleMs, unattendedMs: timers.terminalUnattendedMs },
      })
      logger.info({ userId: caller.userId, session: id, ptyId }, 'a terminal was opened')
      return { ptyId, ...size }
    },

    async resize(caller, id, ptyId, size) {
      const link = linkOf(await access(caller, id))
      if (!link) throw new CorralError('terminal_not_found')
      await ask(link, 'terminal.resize', { session: id, ptyId, ...size })
    },

    async close(caller, id, ptyId) {
      const link = linkOf(await access(caller, id))
      if (!link) return
      await ask(link, 'terminal.close', { session: id, ptyId }).catch((error: unknown) => {
        if (!(error instanceof CorralError) || error.reason !== 'terminal_not_found') throw error
      })
    },

    async list(caller, id) {
      return listAt(await access(caller, id))
    },

    async find(place, ptyId) {
      const found = await listAt(place)
      if (!found.some((one) => one.ptyId === ptyId)) throw new CorralError('terminal_not_found')
    },

    show(place, ptyId, viewer) {
      const { sandboxId } = place
      if (!sandboxId) throw new CorralError('terminal_not_found')
      const name = `${place.id} ${ptyId}`
      shown.get(name)?.relay.close('taken')
      const relay = createRelay({ viewer, channel: channelTo(place, ptyId), timers: relayTimers, logger })
      const own = { sandboxId, relay }
      shown.set(name, own)
      void relay.ended.then(() => {
        if (shown.get(name) === own) shown.delete(name)
      })
      return relay
    },

    isUsed(sandboxId) {
      const since = performance.now() - timers.terminalIdleMs
      return [...shown.values()].some((one) => one.sandboxId === sandboxId && one.relay.typedAt() > since)
    },
  }
}

/** What a supervisor refuses, and that it does not answer, as callers know it. */
function refusalOf(error: unknown): CorralError {
  if (!(error instanceof CommandRefused)) return new CorralError('unavailable', { cause: error })
  switch (error.refusal) {
    case 'unknownTerminal':
      return new CorralError('terminal_not_found', { cause: error })
    case 'tooManyTerminals':
      return new CorralError('too_many_terminals', { cause: error, details: { most: terminalLimits.perSession } })
    case 'notPrepared':
    case 'unknownSession':
      return new CorralError('sandbox_not_running', { cause: error })
    default:
      return new CorralError('not_implemented', {
        sentence:
          'This sandbox has no terminals: its image lacks the program script, or an earlier version started it.',
        cause: error,
      })
  }
}
