/**
 * What a client knows of a user's sessions: pure. Invariants: what carries a revision not above the one that is held is
 * dropped, wherever it comes from, so that nothing goes back; what was deleted is remembered for a while, so that
 * nothing late brings it back; a list replaces everything in one step. Source: 31-ingest-and-facade (b).
 */
import type { AgentSessionId, SessionRow } from '@corral/protocol'

type Gone = { revision: number; atMs: number }
export type Picture = {
  rows: ReadonlyMap<AgentSessionId, SessionRow>
  gone: ReadonlyMap<AgentSessionId, Gone>
}

export const emptyPicture: Picture = { rows: new Map(), gone: new Map() }

const goneMs = 10 * 60_000
const mostGone = 1_000

/** Of a row, or of its deletion; 0 when neither is known. */
export function revisionOf(picture: Picture, id: AgentSessionId): number {
  return picture.rows.get(id)?.revision ?? picture.gone.get(id)?.revision ?? 0
}

export function withRow(picture: Picture, row: SessionRow): Picture {
  if (row.revision <= revisionOf(picture, row.sessionId)) return picture
  const gone = new Map(picture.gone)
  gone.delete(row.sessionId)
  return { rows: new Map(picture.rows).set(row.sessionId, row), gone }
}

/** Deleted, or no longer this user's. */
export function withoutRow(picture: Picture, id: AgentSessionId, revision: number, nowMs: number): Picture {
  if (revision < revisionOf(picture, id)) return picture
  const rows = new Map(picture.rows)
  rows.delete(id)
  return { rows, gone: remembered([...picture.gone, [id, { revision, atMs: nowMs }]], nowMs) }
}

/** `unsure`: what was told while the list was read, so that its absence there says nothing. */
export function withList(
  picture: Picture,
  list: readonly SessionRow[],
  unsure: ReadonlySet<AgentSessionId>,
  nowMs: number,
): Picture {
  const listed = new Set(list.map(({ sessionId }) => sessionId))
  const absent = [...picture.rows.values()].filter(({ sessionId }) => !listed.has(sessionId) && !unsure.has(sessionId))
  const before = absent.reduce((held, row) => withoutRow(held, row.sessionId, row.revision, nowMs), picture)
  return list.reduce(withRow, before)
}

function remembered(all: [AgentSessionId, Gone][], nowMs: number): Map<AgentSessionId, Gone> {
  return new Map(all.filter(([, { atMs }]) => nowMs - atMs < goneMs).slice(-mostGone))
}
