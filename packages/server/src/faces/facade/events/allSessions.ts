/**
 * The feed of all conversations of a caller, also of those that begin while it runs. Without numbers: after the first frame
 * come the states of those at work, and a client reads again what it shows. Invariants: the events of each session come in
 * order and without a hole; what waits for a slow reader is bounded, and past that the stream breaks.
 */
import { CorralError, type SessionId } from '@corral/protocol'
import type { Frame } from '../../../log/envelope.ts'
import type { Log } from '../../../log/log.ts'
import type { Root } from '../../../sessions/roots.ts'
import { connected, createTeller, type Form, type Teller, type TellerDependencies } from './tell.ts'

const mostBytes = 1024 * 1024

type Known = { teller: Teller; newest: number }

export async function* allSessions(
  deps: TellerDependencies & {
    log: Pick<Log, 'listen' | 'replay'>
    /** Where people reach this server. */
    origin: string
    /** Access to this session is to be watched from now on. */
    watch(root: Root): void
    onDeleted(listener: (id: SessionId) => void): () => void
  },
  { global, signal }: { global: boolean; signal: AbortSignal },
): AsyncGenerator<string, void, undefined> {
  const { log, roots, projection, caller } = deps
  const form: Form = { numbered: false, global }
  const backlog = createBacklog(signal)
  /** Null: not the caller's. */
  const sessions = new Map<SessionId, Known | null>()
  const forgetDeletions = deps.onDeleted((id) => void sessions.set(id, null))
  const forgetLog = log.listen((id, frames) => {
    // A session that was somebody else's stays so, but one that was none may become one: it begins with a message.
    if (sessions.get(id) !== null || frames.some(({ type }) => type === 'queued')) backlog.add(id, frames)
  })

  async function known(id: SessionId, first: number): Promise<{ session: Known | null; isNew: boolean }> {
    const before = sessions.get(id)
    if (before) return { session: before, isNew: false }
    const root = await roots.findById(caller, id).catch(nullIfNotFound)
    if (root) deps.watch(root)
    const session = root && { teller: createTeller(deps, root, form), newest: first - 1 }
    sessions.set(id, session)
    return { session, isNew: session !== null }
  }

  async function* told(id: SessionId, frames: readonly Frame[]): AsyncGenerator<string, void, undefined> {
    const [first] = frames
    if (!first) return
    const { session, isNew } = await known(id, first.seq)
    if (!session) return
    if (isNew) yield session.teller.say({ type: 'session.updated', properties: { info: await sessionOf(id) } })
    // What was published in another order, or by nobody, is in the log.
    if (first.seq > session.newest + 1) {
      for await (const missing of log.replay(id, { after: session.newest, upTo: first.seq - 1 })) {
        yield await session.teller.tell(missing)
      }
    }
    const { newest } = session
    yield await session.teller.tell(frames.filter(({ seq }) => seq > newest))
    session.newest = Math.max(newest, frames.at(-1)?.seq ?? 0)
  }

  async function sessionOf(id: SessionId) {
    const [root, figures] = await Promise.all([roots.findById(caller, id), roots.figures([id])])
    return projection.session(root, figures.get(id) ?? null, deps.origin)
  }

  try {
    yield connected(form)
    for (const id of (await roots.status(caller)).keys()) {
      const root = await roots.findById(caller, id).catch(nullIfNotFound)
      if (!root) continue
      const teller = createTeller(deps, root, form)
      yield teller.say(await teller.statusNow())
    }
    for await (const { id, frames } of backlog.taken()) {
      for await (const text of told(id, frames)) if (text !== '') yield text
    }
  } finally {
    forgetLog()
    forgetDeletions()
  }
}

type Heard = { id: SessionId; frames: readonly Frame[] }

function createBacklog(signal: AbortSignal) {
  let heard: Heard[] = []
  let bytes = 0
  let news = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => news.resolve())

  return {
    add(id: SessionId, frames: readonly Frame[]): void {
      heard.push({ id, frames })
      for (const frame of frames) bytes += frame.bytes
      if (bytes > mostBytes) heard = []
      news.resolve()
    },
    /** Ends with the signal, or when more was waiting than may. */
    async *taken(): AsyncGenerator<Heard, void, undefined> {
      while (!signal.aborted) {
        await news.promise
        news = Promise.withResolvers()
        if (bytes > mostBytes) return
        const all = heard
        heard = []
        bytes = 0
        yield* all
      }
    },
  }
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof CorralError && error.reason === 'session_not_found') return null
  throw error
}
