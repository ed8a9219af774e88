/**
 * The supervisor of one sandbox, put together: reads the boot file, ends what an earlier supervisor left running,
 * opens the doors and the recorded sessions, and keeps the link. Invariant: it never ends because a link, a session
 * or an agent failed; only a stop or a newer supervisor ends it.
 */
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { bootFileSchema, linkProtocol, type SessionId, sessionState } from '@corral/protocol'
import type { Agent } from './agents/agent.ts'
import { createAgent } from './agents/byKind.ts'
import { makeToolShell } from './agents/shell.ts'
import { type AgentTimers, agentTimers } from './agents/timers.ts'
import { createCheckpointStore } from './checkpoints/store.ts'
import { openGatewayDoor } from './doors/gatewayDoor.ts'
import { openWebDoor } from './doors/webDoor.ts'
import { environmentOfConnection } from './host/connections.ts'
import { errorText } from './host/errorCode.ts'
import type { Log } from './host/log.ts'
import { checkpointMark, endProcesses, sessionMark } from './host/processes.ts'
import { readJson } from './host/readJson.ts'
import { type WatchOptions, watchLimits } from './limits/watch.ts'
import { nextIncarnation } from './link/incarnation.ts'
import { createLink } from './link/link.ts'
import { type LinkTimers, linkTimers } from './link/timers.ts'
import { sessionEnvironment } from './sessions/environment.ts'
import { openRecord, recordedSessions } from './sessions/record.ts'
import { createSession, type Session } from './sessions/session.ts'
import { createSessions } from './sessions/sessions.ts'
import { createJournal } from './spool/journal.ts'
import { createOpenParts } from './spool/openParts.ts'
import { createReserve } from './spool/reserve.ts'
import { openSessionSpool } from './spool/sessionSpool.ts'
import { createTerminals } from './terminals/terminals.ts'
import { registryVariables } from './workspaces/registries.ts'

export type SupervisorOptions = {
  /** Holds `boot.json`, `incarnation`, `spool/` and `sessions/`. */
  stateDir: string
  /** What every program that is started gets, besides what its session adds. */
  environment: Record<string, string>
  /** 0 takes a free one. */
  gatewayDoorPort: number
  webDoorPort: number
  /** What of the machine is this sandbox's. */
  bounds: Pick<WatchOptions, 'alone' | 'folders' | 'temporaryFolders' | 'memoryKillsFile'>
  linkTimers?: LinkTimers
  agentTimers?: AgentTimers
  log: Log
}

export type Supervisor = {
  /** Resolves when the supervisor is at its end: fenced off by a newer one, or stopped. */
  ended: Promise<'fenced' | 'closed'>
  gatewayOrigin: string
  webProxyPort: number
  stop(): Promise<void>
}

const sweepMs = 10_000
const repeatForMs = 60_000

export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { stateDir, log } = options
  const bootPath = join(stateDir, 'boot.json')
  const boot = readJson(bootPath, bootFileSchema)
  if (!boot) throw new Error(`There is no boot file at ${bootPath}; the driver writes it before it starts a sandbox.`)
  const sessionsDir = join(stateDir, 'sessions')
  const recorded = recordedSessions(sessionsDir)
  await Promise.all(recorded.flatMap((id) => [sessionMark(id), checkpointMark(id)].map(endProcesses)))

  const incarnation = nextIncarnation(stateDir)
  const toolShell = makeToolShell(join(stateDir, 'shell'))
  const reserve = createReserve(join(stateDir, 'reserve'))
  reserve.take()
  const door = await openGatewayDoor({
    socketPath: boot.doors.gateway,
    port: options.gatewayDoorPort,
    repeatForMs,
    fellBack: (token, fallback) => sessions.fellBack(token, fallback),
    registryToken: (connection) => sessions.onlyToken() ?? tokenOfCaller(connection),
    log,
  })

  /** Clients of registries have no place for a token; whose they are, their connection says. Asked once for each. */
  const callers = new WeakMap<Socket, Session | null>()
  function tokenOfCaller(connection: Socket): string | null {
    const known = callers.get(connection)
    if (known !== undefined) return known?.gatewayToken() ?? null
    const { remotePort, localPort } = connection
    const ports = remotePort && localPort ? { own: remotePort, other: localPort } : null
    const caller = sessions.ofEnvironment((ports && environmentOfConnection(ports)) ?? [])
    callers.set(connection, caller)
    return caller?.gatewayToken() ?? null
  }

  const store = createCheckpointStore({ door: boot.doors.server, token: boot.linkToken })
  const webDoor = await openWebDoor({
    socketPath: boot.doors.gateway,
    port: options.webDoorPort,
    repeatForMs,
    tell: (id, message) => sessions.find(id)?.tell(message),
  })

  function open(id: SessionId): Session {
    const record = openRecord(sessionsDir, id)
    const openParts = createOpenParts()
    const spool = openSessionSpool({ folder: join(stateDir, sessionState(id).spool), openParts, log })
    const environment = sessionEnvironment({ ...registryVariables(door.origin), ...options.environment }, id)
    const journal = createJournal({ spool, openParts, reserve, appended: () => link.pump(), log })
    const agent = createAgent({
      session: id,
      environment,
      gatewayOrigin: door.origin,
      shell: toolShell,
      fetchHistory: (path, signal) => store.history(id, path, signal),
      fetchAttachment: (file, path, signal) => store.attachment(id, file, path, signal),
      tellCommands: (commands) => void journal.append({ type: 'commands', data: { commands } }),
      diedOfMemory: () => watch.diedOfMemory(id),
      timers: options.agentTimers ?? agentTimers,
      log,
    })
    const run: Agent['run'] = async (...given) => {
      watch.look()
      return agent.run(...given).finally(() => watch.look())
    }
    const scratch = join(stateDir, sessionState(id).scratch)
    const parts = { record, spool, journal, reserve, agent: { ...agent, run }, environment, store, scratch }
    return createSession({ ...parts, gatewayOrigin: door.origin, log })
  }

  const sessions = createSessions({
    recorded,
    open,
    assigned: (id) => link.open(id),
    released(id) {
      link.drop(id)
      // What it does not end, the end of the session's processes does.
      void terminals.release(id)
    },
    failed: (id, error) => log('error', 'a session could not be released', { session: id, error: errorText(error) }),
  })
  const terminals = createTerminals({
    door: boot.doors.server,
    token: boot.linkToken,
    placeOf: (id) => sessions.find(id)?.place() ?? null,
    log,
  })
  const link = createLink({
    door: boot.doors.server,
    token: boot.linkToken,
    timers: options.linkTimers ?? linkTimers,
    log,
    handlers: {
      hello: () => ({ bootId: boot.bootId, incarnation, protocol: linkProtocol, sessions: sessions.hello() }),
      welcome: (welcome) => sessions.welcome(welcome),
      command: (method, params) => (method.startsWith('terminal.') ? terminals : sessions).command(method, params),
      spool: (id) => sessions.find(id)?.spool,
    },
  })
  const watch = watchLimits({
    limits: boot.limits,
    toolShell,
    ...options.bounds,
    environment: options.environment,
    busy: () => sessions.concerned(null).length > 0 || terminals.count() > 0,
    tell(id, message, reason) {
      log('warn', message, { session: id, reason })
      for (const session of sessions.concerned(id)) session.tell(message, reason)
    },
    failDiskFull(id) {
      for (const session of sessions.concerned(id)) session.failDiskFull()
    },
    log,
  })
  const sweeping = setInterval(() => sessions.sweep(), sweepMs)
  log('info', 'supervisor started', { sandboxId: boot.sandboxId, incarnation, sessions: recorded.length })

  async function live(): Promise<'fenced' | 'closed'> {
    const end = await link.run()
    clearInterval(sweeping)
    watch.close()
    door.close()
    webDoor.close()
    await Promise.all([terminals.stop(), sessions.stop()])
    return end
  }
  const ended = live()
  return {
    ended,
    gatewayOrigin: door.origin,
    webProxyPort: webDoor.port,
    async stop() {
      await Promise.all([terminals.stop(), sessions.stop()])
      link.close()
      await ended
    },
  }
}
