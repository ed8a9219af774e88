/**
 * Keeps the picture of a user's sessions true by reading: all of them after every connect and whenever too much is
 * unsure, single ones that were told to have changed. Invariants: a list is applied whole or not at all; one list and at
 * most 8 single sessions are read at once; when reading fails the picture stays as it is, is marked, and is read again.
 */
import type { AgentSessionId, SessionRow } from '@corral/protocol'
import { CorralCallError } from '../callError.ts'
import { pause } from '../pause.ts'
import { emptyPicture, type Picture, revisionOf, withList, withoutRow, withRow } from './picture.ts'
import type { SessionsSource } from './source.ts'

export type ReaderTimers = { listAgainMs: number; staleMs: number; rowAgainMs: number }

export type Reader = {
  picture(): Picture
  /** The last reading failed, or none has come yet. */
  isStale(): boolean
  /** Everything may have changed. */
  all(): void
  /** This one has changed, and was at this revision then. */
  changed(id: AgentSessionId, revision: number): void
  deleted(id: AgentSessionId, revision: number): void
}

const readAtOnce = 8
const mostDirty = 256

export function createReader(options: {
  source: SessionsSource
  timers: ReaderTimers
  /** Ends it; what comes late is dropped. */
  signal: AbortSignal
  /** After each change of the picture, or of whether it is stale. */
  onChange(): void
  /** Reading will never work. */
  onEnd(error: CorralCallError): void
}): Reader {
  const { source, timers, signal, onChange, onEnd } = options
  let picture = emptyPicture
  let stale = true
  /** What is to be read, with the revision that was told of it. */
  const dirty = new Map<AgentSessionId, number>()
  const reading = new Set<AgentSessionId>()
  let list: 'none' | 'reading' | 'reading, and once more' = 'none'
  /** What was told since the list that is being read was begun. */
  const told = new Set<AgentSessionId>()
  let again: ReturnType<typeof setTimeout> | undefined
  signal.addEventListener('abort', () => clearTimeout(again))

  function show(next: Picture, isStale = stale): void {
    if (signal.aborted || (next === picture && isStale === stale)) return
    picture = next
    stale = isStale
    onChange()
  }

  function all(): void {
    clearTimeout(again)
    if (list !== 'none') {
      list = 'reading, and once more'
      return
    }
    list = 'reading'
    void readLists()
  }

  async function readLists(): Promise<void> {
    told.clear()
    dirty.clear()
    const rows = await twice(() => source.list(signal), timers.listAgainMs)
    if (signal.aborted) return
    const isWantedAgain = list === 'reading, and once more'
    list = 'none'
    if (rows) show(withList(picture, rows, told, Date.now()), false)
    else show(picture, true)
    if (isWantedAgain) return all()
    if (!rows) again = setTimeout(all, timers.staleMs)
  }

  function pump(): void {
    for (const [id, revision] of dirty) {
      if (reading.size >= readAtOnce) return
      if (reading.has(id)) continue
      dirty.delete(id)
      reading.add(id)
      void readOne(id, revision)
    }
  }

  async function readOne(id: AgentSessionId, wanted: number): Promise<void> {
    const isNew = (row: SessionRow | null) => row === null || row.revision >= wanted
    const row = await twice(() => source.row(id, signal), timers.rowAgainMs, isNew)
    reading.delete(id)
    if (signal.aborted) return
    if (row === undefined) all()
    else if (row) show(withRow(picture, row))
    else show(withoutRow(picture, id, Math.max(wanted, revisionOf(picture, id)), Date.now()))
    pump()
  }

  /** Once more when it fails or is not good enough; undefined when both failed. */
  async function twice<T>(
    read: () => Promise<T>,
    pauseMs: number,
    isGood: (answer: T) => boolean = () => true,
  ): Promise<T | undefined> {
    const first = await once(read)
    if (signal.aborted || (first !== undefined && isGood(first))) return first
    await pause(pauseMs, signal)
    return signal.aborted ? undefined : ((await once(read)) ?? first)
  }

  async function once<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (signal.aborted) return undefined
      if (!(error instanceof CorralCallError)) throw error
      if (error.isFinal) onEnd(error)
      return undefined
    }
  }

  return {
    picture: () => picture,
    isStale: () => stale,
    all,
    changed(id, revision) {
      told.add(id)
      if (revision <= revisionOf(picture, id)) return
      dirty.set(id, Math.max(revision, dirty.get(id) ?? 0))
      if (dirty.size > mostDirty) all()
      else pump()
    },
    deleted(id, revision) {
      told.add(id)
      dirty.delete(id)
      show(withoutRow(picture, id, revision, Date.now()))
    },
  }
}
