/**
 * What a supervisor must still know of a session after it was killed: one small file, replaced as a whole. No secret
 * is in it: what the agent needs besides comes again with the next `execute`.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { executionIdSchema, linkOnlySchemas, type SessionId, sessionIdSchema } from '@corral/protocol'
import { z } from 'zod'
import { readJson } from '../host/readJson.ts'
import { replaceFile } from '../host/replaceFile.ts'

const attempt = z.number().int().positive()

const recordSchema = z.object({
  id: sessionIdSchema,
  /** The last preparation that was asked for. */
  preparation: z
    .object({
      attempt,
      workspacePath: z.string(),
      home: z.string(),
      repository: z.object({ url: z.string(), doorUrl: z.string() }),
      author: z.object({ name: z.string(), email: z.string() }),
      /** Its end, said again when it is asked for again. */
      prepared: linkOnlySchemas.prepared.nullable(),
    })
    .nullable(),
  /** The execution that is running, as far as anybody needs to know who finds it dead. */
  running: z
    .object({
      session: sessionIdSchema,
      executionId: executionIdSchema,
      attempt,
      begun: z.boolean(),
      agentSessionId: z.string(),
      messageId: z.string(),
      agent: z.object({
        name: z.string(),
        version: z.string(),
        kind: z.enum(['opencode', 'acp']),
        command: z.string(),
      }),
      workspacePath: z.string(),
      home: z.string(),
    })
    .nullable(),
  /** The last execution that ended here: not run again, and its end is said again to who asks for it again. */
  lastEnded: z
    .object({
      executionId: executionIdSchema,
      attempt,
      /** Null: nothing but that it has stopped. */
      outcome: linkOnlySchemas.outcome.omit({ workspace: true, agentRuns: true }).nullable().default(null),
    })
    .nullable(),
  /** Executions that were interrupted, also before they came: a late `execute` of theirs is refused. */
  interrupted: z.array(executionIdSchema),
  /** A turn has begun since the work was last brought to the server. */
  unkept: z.boolean().default(false),
})
export type SessionRecord = z.infer<typeof recordSchema>

const mostInterrupted = 200

export type RecordFile = {
  readonly value: SessionRecord
  update(change: Partial<Omit<SessionRecord, 'id'>>): void
  remove(): void
}

export function openRecord(folder: string, id: SessionId): RecordFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `${id}.json`)
  const empty: SessionRecord = { id, preparation: null, running: null, lastEnded: null, interrupted: [], unkept: false }
  let value = readJson(path, recordSchema) ?? empty
  return {
    get value() {
      return value
    },
    update(change) {
      value = { ...value, ...change }
      value.interrupted = value.interrupted.slice(-mostInterrupted)
      replaceFile(path, JSON.stringify(value))
    },
    remove: () => rmSync(path, { force: true }),
  }
}

/** The sessions that this sandbox has had. */
export function recordedSessions(folder: string): SessionId[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return readdirSync(folder).flatMap((name) => sessionIdSchema.safeParse(name.replace(/\.json$/, '')).data ?? [])
}
