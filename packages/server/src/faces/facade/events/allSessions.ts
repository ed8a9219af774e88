/**
 * The feed of all conversations of a caller, also of those that begin while it runs. Without numbers: after the first frame
 * come the states of those at work, and a client reads again what it shows. Invariants: the events of each session come in
 * order and without a hole; what waits for a slow reader is bounded, and past that the stream breaks.
 */
import { CorralError, type SessionId } from '@corral/protocol'
import type { Frame } from '../../../log/envelope.ts'
import type { Log } from '../../../log/log.ts'
import type { Root } from '../../../sessions/reads/roots.ts'
import { connected, createTeller, type Form, type Teller, type TellerDependencies } from './tell.ts'

const mostBytes = 1024 * 1024
/** What a look that is still to come takes. */
const lookBytes = 200
/** Sessions of others that are remembered, so that they are not looked up again. */
const mostStrangers = 10_000

type Known = { teller: Teller; newest: number }

/** Nobody's flood may push out what is one's own: of a session that is not known yet only its first number waits. */
type Heard = { id: SessionId; frames: readonly Frame[] } | { id: SessionId; first: number }

export async function* allSessions(
  deps: TellerDependencies & {
    log: Pick<Log, 'listen' | 'replay' | 'lastSeq'>
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
  /** `asked`: whose it is, is still to be looked up; `none`: not the caller's. */
  const sessions = new Map<SessionId, Known | 'asked' | 'none'>()
  const forgetDeletions = deps.onDeleted((id) => void sessions.set(id, 'none'))
  const forgetLog = log.listen((id, frames) => {
    const [first] = frames
    const session = sessions.get(id)
    if (!first || session === 'asked') return
    // One that was none may become one: it begins with a message.
    if (session === undefined || (session === 'none' && frames.some(({ type }) => type === 'queued'))) {
      sessions.set(id, 'asked')
      backlog.add({ id, first: first.seq }, lookBytes)
    } else if (session !== 'none') {
      backlog.add(
        { id, frames },
        frames.reduce((bytes, frame) => bytes + frame.bytes, 0),
      )
    }
  })

  /** What came meanwhile is read from the log. */
  async function* begun(id: SessionId, first: number): AsyncGenerator<string, void, undefined> {
    const root = await roots.findById(caller, id).catch(nullIfNotFound)
    if (!root) {
      forgetSomeStrangers(sessions)
      return void sessions.set(id, 'none')
    }
    deps.watch(root)
    const session = { teller: createTeller(deps, root, form), newest: first - 1 }
    sessions.set(id, session)
    yield session.teller.say({ type: 'session.updated', properties: { info: await sessionOf(id) } })
    yield* readUpTo(id, session, await log.lastSeq(id))
  }

  async function* readUpTo(id: SessionId, session: Known, upTo: number): AsyncGenerator<string, void, undefined> {
    for await (const frames of log.replay(id, { after: session.newest, upTo })) yield await session.teller.tell(frames)
    session.newest = Math.max(session.newest, upTo)
  }

  async function* told(id: SessionId, frames: readonly Frame[]): AsyncGenerator<string, void, undefined> {
    const session = sessions.get(id)
    const [first] = frames
    if (!first || session === undefined || session === 'asked' || session === 'none') return
    // What was published in another order, or by nobody, is in the log.
    if (first.seq > session.newest + 1) yield* readUpTo(id, session, first.seq - 1)
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
    for await (const heard of backlog.taken()) {
      const texts = 'first' in heard ? begun(heard.id, heard.first) : told(heard.id, heard.frames)
      for await (const text of texts) if (text !== '') yield text
    }
  } finally {
    forgetLog()
    forgetDeletions()
  }
}

function createBacklog(signal: AbortSignal) {
  let heard: Heard[] = []
  let bytes = 0
  let news = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => news.resolve())

  return {
    add(one: Heard, itsBytes: number): void {
      heard.push(one)
      bytes += itsBytes
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

function forgetSomeStrangers(sessions: Map<SessionId, Known | 'asked' | 'none'>): void {
  if (sessions.size < mostStrangers) return
  for (const [id, session] of sessions) if (session === 'none') sessions.delete(id)
}
