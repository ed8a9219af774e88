/**
 * All sessions of this sandbox, and the server's side of them: what is said in `hello`, what a welcome changes, and
 * which session a command is for. A session lives from the first time the server names it until it is released.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  commandRefusals,
  type DownMethod,
  downMethods,
  type Fallback,
  type Hello,
  type SessionId,
  type Welcome,
} from '@corral/protocol'
import type { z } from 'zod'
import { sessionMark } from '../host/processes.ts'
import { RpcError, rpcCodes } from '../link/peer.ts'
import type { Session } from './session.ts'

type SessionMethod = Extract<DownMethod, `session.${string}`>

/** A large checkout takes longer to remove than a command may take. */
const releaseAnswerMs = 2_000

export type Sessions = {
  hello(): Hello['sessions']
  /** Answers the sessions whose events may be sent. */
  welcome(welcome: Welcome): SessionId[]
  command(method: string, params: unknown): unknown
  /** Undefined, too, for one that is being released. */
  find(id: SessionId): Session | undefined
  /** That session; without a name, all that work. */
  concerned(id: SessionId | null): Session[]
  fellBack(token: string, fallback: Fallback): void
  /** What the only session here shows to the gateway; null where there are several, or where it has none yet. */
  onlyToken(): string | null
  /** The session that a program with this environment works for. */
  ofEnvironment(environment: readonly string[]): Session | null
  /** Deletes what was acked long enough ago. */
  sweep(): void
  stop(): Promise<void>
}

export function createSessions(options: {
  recorded: readonly SessionId[]
  open(id: SessionId): Session
  /** Its events may be sent from now on. */
  assigned(id: SessionId): void
  released(id: SessionId): void
  failed(session: SessionId, error: unknown): void
}): Sessions {
  const sessions = new Map<SessionId, Session>()
  /** Those that are being released: whether nothing is left of them. */
  const leaving = new Map<SessionId, Promise<boolean>>()
  for (const id of options.recorded) sessions.set(id, options.open(id))

  function opened(id: SessionId): Session {
    const session = sessions.get(id) ?? options.open(id)
    sessions.set(id, session)
    return session
  }

  function release(id: SessionId): Promise<boolean> {
    const session = sessions.get(id)
    if (!session) return leaving.get(id) ?? Promise.resolve(true)
    sessions.delete(id)
    options.released(id)
    const gone = session.release().then(
      () => true,
      (error: unknown) => {
        options.failed(id, error)
        // Kept, so that the next `release` tries again.
        sessions.set(id, session)
        return false
      },
    )
    leaving.set(
      id,
      gone.finally(() => leaving.delete(id)),
    )
    return gone
  }

  function check<P>(schema: z.ZodType<P>, params: unknown): P {
    const checked = schema.safeParse(params)
    if (checked.success) return checked.data
    throw new RpcError(rpcCodes.invalidParams, `The parameters are not valid: ${checked.error.issues[0]?.message}`)
  }

  /** A session without an epoch can say nothing, so it takes no work either. */
  function order<P extends { session: SessionId }>(
    schema: z.ZodType<P>,
    params: unknown,
    act: (session: Session, params: P) => void,
  ): { accepted: true } {
    const checked = check(schema, params)
    const session = sessions.get(checked.session)
    if (!session || session.spool.epochs().length === 0)
      throw new RpcError(commandRefusals.unknownSession, 'This session was not assigned to this sandbox.')
    act(session, checked)
    return { accepted: true }
  }

  const commands = {
    'session.assign': (params) => {
      const { session, epoch, ackedN } = check(downMethods['session.assign'].params, params)
      opened(session).spool.adopt(epoch, ackedN)
      options.assigned(session)
      return { accepted: true }
    },
    'session.prepare': (params) =>
      order(downMethods['session.prepare'].params, params, (session, checked) => session.prepare(checked)),
    'session.warm': (params) =>
      order(downMethods['session.warm'].params, params, (session, checked) => session.warm(checked)),
    'session.execute': (params) =>
      order(downMethods['session.execute'].params, params, (session, checked) => session.execute(checked)),
    'session.interrupt': (params) =>
      order(downMethods['session.interrupt'].params, params, (session, checked) => session.interrupt(checked)),
    'session.answer': (params) =>
      order(downMethods['session.answer'].params, params, (session, checked) => session.answer(checked)),
    'session.finalize': (params) =>
      order(downMethods['session.finalize'].params, params, (session, checked) => session.finalize(checked)),
    'session.rename': async (params) => {
      const { session, agentSessionId, title } = check(downMethods['session.rename'].params, params)
      return { taken: (await sessions.get(session)?.rename(agentSessionId, title)) ?? false }
    },
    'session.stopAgent': (params) =>
      order(downMethods['session.stopAgent'].params, params, (session) => session.stopAgent()),
    'session.release': async (params) => {
      const gone = release(check(downMethods['session.release'].params, params).session)
      return { released: await Promise.race([gone, delay(releaseAnswerMs, false)]) }
    },
    'session.diff': (params) => sessions.get(check(downMethods['session.diff'].params, params).session)?.diff() ?? null,
  } satisfies Record<SessionMethod, (params: unknown) => unknown>

  const isCommand = (method: string): method is SessionMethod => Object.hasOwn(commands, method)

  return {
    hello: () => [...sessions.values()].map((session) => session.hello()),
    welcome(welcome) {
      return welcome.sessions.flatMap((told) => {
        if ('release' in told) {
          void release(told.id)
          return []
        }
        const session = opened(told.id)
        session.spool.adopt(told.epoch, told.ackedN)
        session.mayRun(told.mayRun)
        session.connected()
        return [told.id]
      })
    },
    command(method, params) {
      if (!isCommand(method)) throw new RpcError(rpcCodes.methodNotFound, `There is no command ${method}.`)
      return commands[method](params)
    },
    find: (id) => sessions.get(id),
    concerned: (id) =>
      id ? [sessions.get(id) ?? []].flat() : [...sessions.values()].filter((session) => session.busy()),
    fellBack(token, fallback) {
      for (const session of sessions.values()) session.fellBack(token, fallback)
    },
    onlyToken() {
      const [only, ...others] = sessions.values()
      return only && others.length === 0 ? only.gatewayToken() : null
    },
    ofEnvironment: (environment) =>
      [...sessions.values()].find(({ id }) => environment.includes(sessionMark(id))) ?? null,
    sweep() {
      const now = performance.now()
      for (const session of sessions.values()) session.spool.sweep(now)
    },
    async stop() {
      await Promise.all([...sessions.values()].map((session) => session.stop()))
    },
  }
}
