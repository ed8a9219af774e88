/**
 * A session in the form of OpenCode's and Kilo's own export, which their `import` takes: one JSON document, in pieces
 * and as of one snapshot, in bounded memory whatever its size. What an import would stumble over is mended here.
 */
import type { SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { z } from 'zod'
import { type session, sessionHead } from '../../database/schema.ts'
import { sessionInfo } from '../../database/transcriptTables.ts'
import { placesOf } from '../placement/places.ts'
import { wholeContent, wholeText } from './blobs.ts'
import type { Snapshot, Snapshots } from './snapshot.ts'
import { type Reading, storedMessages, type Which } from './storedMessages.ts'

type SessionRow = typeof session.$inferSelect

export type ExportStream = {
  /** The last number of the log that is contained. */
  seq: number
  /** The document. Whoever stops before its end calls `return`. */
  pieces: AsyncGenerator<string | Buffer, void, void>
}

export type ExportPart = Pick<Which, 'changedAfter' | 'fromElsewhere'>

export async function openExport(
  snapshots: Snapshots,
  owner: SessionRow,
  part: ExportPart = {},
): Promise<ExportStream> {
  const { promise: found, resolve: tellSeq } = Promise.withResolvers<number>()
  const pieces = snapshots.read(async function* (snapshot): AsyncGenerator<string | Buffer, void, void> {
    tellSeq(await lastSeq(snapshot, owner.id))
    yield `{"info":${JSON.stringify(await infoOf(snapshot, owner))},"messages":[`
    yield* messages(snapshot, owner, part)
    yield ']}'
  })
  // The snapshot is taken before the answer begins, and what fails in taking it is still a refusal.
  const first = await pieces.next()
  return { seq: await found, pieces: again(first.done ? undefined : first.value, pieces) }
}

async function* again<T>(first: T | undefined, rest: AsyncGenerator<T, void, void>): AsyncGenerator<T, void, void> {
  try {
    if (first !== undefined) yield first
    yield* rest
  } finally {
    await rest.return()
  }
}

async function* messages(snapshot: Snapshot, owner: SessionRow, part: ExportPart) {
  const { id: session } = owner
  /** Rows as they are: what is large is passed on piece by piece. */
  const reading: Reading<string, string> = {
    at: (read) => read(snapshot),
    info: async (_snapshot, _session, row) => row,
    part: async (_snapshot, _session, row) => row,
  }
  let open: 'no message' | 'no part' | 'parts' = 'no message'
  for await (const entry of storedMessages(reading, owner, part)) {
    if (entry.kind === 'message') {
      yield open === 'no message' ? '{"info":' : ']},{"info":'
      yield* content(snapshot, session, entry.info)
      yield ',"parts":['
      open = 'no part'
    } else if (!isPassing(entry.part)) {
      if (open === 'parts') yield ','
      yield* content(snapshot, session, entry.part)
      open = 'parts'
    }
  }
  if (open !== 'no message') yield ']}'
}

async function* content({ orm }: Snapshot, session: SessionId, row: string) {
  for await (const piece of wholeContent(orm, session, row)) {
    yield typeof piece === 'string' ? withoutNegativeTokens(piece) : piece
  }
}

/** Of a part that its agent takes away again by itself, and of one that says nothing of what it is. */
const passing = z.union([
  z.looseObject({ type: z.literal('unknown') }),
  z.looseObject({ metadata: z.looseObject({ 'kilocode.lifecycle': z.literal('transient') }) }),
])
const passingMarks = ['"type":"unknown"', '"kilocode.lifecycle":"transient"']

/** Whether a part only describes a passing state. */
function isPassing(row: string): boolean {
  return passingMarks.some((mark) => row.includes(mark)) && passing.safeParse(JSON.parse(row)).success
}

/** Some models report less than nothing; no import takes that. */
function withoutNegativeTokens(row: string): string {
  if (!row.includes(':-') || !row.includes('"tokens"')) return row
  const parsed = objectSchema.parse(JSON.parse(row))
  return JSON.stringify({ ...parsed, ...('tokens' in parsed && { tokens: clamped(parsed.tokens) }) })
}

function clamped(value: unknown): unknown {
  if (typeof value === 'number') return Math.max(0, value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, clamped(inner)]))
}

async function lastSeq({ orm }: Snapshot, id: SessionId): Promise<number> {
  const [head] = await orm.select({ seq: sessionHead.lastSeq }).from(sessionHead).where(eq(sessionHead.sessionId, id))
  return head?.seq ?? 0
}

/** The session object as its agent last told it, under our id and title; what an import needs while there is none. */
export async function infoOf({ orm }: Pick<Snapshot, 'orm'>, owner: SessionRow): Promise<Record<string, unknown>> {
  const [stored] = await orm.select().from(sessionInfo).where(eq(sessionInfo.sessionId, owner.id))
  const told = stored ? objectSchema.parse(JSON.parse(await wholeText(orm, owner.id, stored.info))) : {}
  return {
    slug: owner.agentSessionId,
    projectID: 'corral',
    directory: owner.preparedAt ? placesOf(owner).workspacePath : '/',
    version: owner.agentVersion || 'unknown',
    ...told,
    id: owner.agentSessionId,
    title: owner.title || (typeof told.title === 'string' ? told.title : ''),
    time: { created: owner.createdAt.getTime(), updated: owner.updatedAt.getTime(), ...timeSchema.parse(told.time) },
  }
}

const objectSchema = z.record(z.string(), z.unknown())
const timeSchema = objectSchema.catch({})
