/**
 * What is kept of any session, whichever agent made it and wherever that runs: pushed, read, shared, named, deleted. Every
 * call checks access now; what is not the caller's is `session_not_found`. Reading wakes nothing.
 */
import type { AgentSessionId, PushAnswer, SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import type { Timers } from '../../config.ts'
import { user } from '../../database/identityTables.ts'
import type { session } from '../../database/schema.ts'
import { sessionHead } from '../../database/schema.ts'
import type { Database } from '../../database/transaction.ts'
import type { Caller, Membership } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import { findOwned, type SessionName } from '../access.ts'
import { createPushed } from '../pushed/create.ts'
import { type BegunPush, createPushes } from '../pushed/push.ts'
import { createPushedTurns, type EndedTurn } from '../pushed/turns.ts'
import { createSessionRows, type SessionRows } from '../reads/rows.ts'
import type { Sessions } from '../sessions.ts'
import { type ExportStream, infoOf, openExport } from '../transcript/export.ts'
import { createMessagePages, type SignedPage } from '../transcript/messagePages.ts'
import type { Messages } from '../transcript/messages.ts'
import { createSnapshots } from '../transcript/snapshot.ts'
import { createShares, type Shared, type Shares } from './shares.ts'
import { createTitles, type Titles } from './titles.ts'

export type { SessionName }

export type Recordings = {
  user(caller: Caller): Promise<{ id: string; email: string; name: string }>
  rows: SessionRows
  /** Again is the same; `session_not_found` when it was deleted. */
  create(caller: Caller, id: AgentSessionId): Promise<void>
  begin(caller: Caller, id: AgentSessionId, form: number): Promise<BegunPush>
  apply(push: BegunPush, items: readonly unknown[]): Promise<PushAnswer>
  export(caller: Caller, which: SessionName, after?: number): Promise<ExportStream>
  page(
    caller: Caller,
    which: SessionName,
    page: { limit: number; before?: string | undefined },
  ): Promise<SignedPage & { agentSessionId: AgentSessionId }>
  share(caller: Caller, which: SessionName): Promise<string>
  unshare(caller: Caller, which: SessionName): Promise<void>
  /** Of who may see the session; null when it is not shared. */
  shareTokenOf: Shares['tokenOf']
  /** For anybody with the token. `seq`: the last number of the log. */
  shared(token: string): Promise<Shared & { info: Record<string, unknown>; seq: number }>
  setTitle(caller: Caller, which: SessionName, title: Parameters<Titles['set']>[2]): ReturnType<Titles['set']>
  /** Whether an agent of this session that runs now took the title. */
  notifyRenamed(caller: Caller, which: SessionName, title: string): Promise<boolean>
  /** With its children. */
  remove(caller: Caller, which: SessionName): Promise<void>
}

export function createRecordings(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  membership: Membership
  messages: Pick<Messages, 'page'>
  sessions: Pick<Sessions, 'removeTree'>
  keys: { cursors: Uint8Array; shares: Uint8Array }
  /** Tells the agent of a session that runs here; false when none runs, or it did not take it. */
  rename(row: typeof session.$inferSelect, title: string): Promise<boolean>
  /** For figures. */
  turnEnded(turn: EndedTurn): void
  timers: Pick<Timers, 'pushedTurnMs' | 'executionMs'>
}): Recordings {
  const { database, sessions, keys } = deps
  const { orm } = database
  const snapshots = createSnapshots(database)
  const turns = createPushedTurns({ timers: deps.timers, ended: deps.turnEnded })
  const pushes = createPushes({ ...deps, turns })
  const pages = createMessagePages({ messages: deps.messages, cursorKey: keys.cursors })
  const shares = createShares({ database, key: keys.shares })
  const titles = createTitles(deps)
  const idOf = async (caller: Caller, which: SessionName): Promise<SessionId> =>
    (await findOwned(orm, caller, which)).id

  return {
    rows: createSessionRows(deps),
    async user({ userId }) {
      const [found] = await orm
        .select({ id: user.id, email: user.email, name: user.name })
        .from(user)
        .where(eq(user.id, userId))
      if (!found) throw new Error(`the caller ${userId} is no user`)
      return found
    },
    create: (caller, id) => createPushed(database, caller, id),
    begin: pushes.begin,
    apply: pushes.apply,
    export: async (caller, which, after) =>
      openExport(snapshots, await findOwned(orm, caller, which), { changedAfter: after }),
    async page(caller, which, page) {
      const { id, agentSessionId } = await findOwned(orm, caller, which)
      return { agentSessionId, ...(await pages.read({ id, agentSessionId }, page)) }
    },
    share: async (caller, which) => shares.share(caller, await idOf(caller, which)),
    unshare: async (caller, which) => shares.unshare(caller, await idOf(caller, which)),
    shareTokenOf: shares.tokenOf,
    async shared(token) {
      const shared = await shares.find(token)
      const [head] = await orm.select().from(sessionHead).where(eq(sessionHead.sessionId, shared.session.id))
      return { ...shared, info: await infoOf(database, shared.session), seq: head?.lastSeq ?? 0 }
    },
    setTitle: async (caller, which, title) => titles.set(caller, await idOf(caller, which), title),
    notifyRenamed: async (caller, which, title) => deps.rename(await findOwned(orm, caller, which), title),
    remove: async (caller, which) => sessions.removeTree(caller, await idOf(caller, which)),
  }
}
