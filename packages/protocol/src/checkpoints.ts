/**
 * What leaves a sandbox at the end of each turn, so that a lost one comes back: the work as a git bundle, the agent's
 * history as its own database. The bytes are blobs that go through the server's door (`PUT` and `GET` of
 * `checkpointPaths`), named by their SHA-256; the server keeps them and never looks inside.
 */
import { z } from 'zod'
import { MiB } from './limits.ts'

export const checkpointLimits = {
  /** One uncommitted file, and all of them; what is larger is left out, and said. */
  fileBytes: 256 * MiB,
  filesBytes: 384 * MiB,
  files: 20_000,
  /** One blob on the wire. */
  blobBytes: 512 * MiB,
  /** The agent's database before it is compressed. */
  historyBytes: 512 * MiB,
  branches: 100,
  /** The description that is put last. */
  descriptionBytes: 256 * 1024,
} as const

export const blobHashSchema = z.string().regex(/^[0-9a-f]{64}$/)
const blobSchema = z.strictObject({
  hash: blobHashSchema,
  bytes: z.number().int().positive().max(checkpointLimits.blobBytes),
})
export type Blob = z.infer<typeof blobSchema>

/** SHA-1, or SHA-256 in a repository of that kind. */
const objectId = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/)
/** Git's own rules come on top, when it is made. */
const branchName = z.string().min(1).max(250)

export const checkpointSchema = z.strictObject({
  /** Nothing was left out, so the workspace may be given up for it. */
  complete: z.boolean(),
  workspace: z.strictObject({
    bundle: blobSchema,
    /** The commit that the bundle builds on, which the repository has; null: it stands alone. */
    base: objectId.nullable(),
    /** Null: detached. */
    branch: branchName.nullable(),
    /** Null: no commit yet. */
    head: objectId.nullable(),
    branches: z.array(z.strictObject({ name: branchName, commit: objectId })).max(checkpointLimits.branches),
    stash: objectId.nullable(),
    /** A commit with the files as they lie in the workspace, ignored ones left out. */
    files: objectId,
    /** A commit with what is staged; null where that cannot be told, as in the middle of a merge. */
    index: objectId.nullable(),
  }),
  /** The agent's database, compressed with zstd. Null: the agent has none yet. */
  history: z.strictObject({ agent: z.enum(['opencode', 'kilo']), database: blobSchema }).nullable(),
})
export type Checkpoint = z.infer<typeof checkpointSchema>

/** All blobs of a checkpoint. */
export const blobsOf = ({ workspace, history }: Checkpoint): Blob[] => [
  workspace.bundle,
  ...(history ? [history.database] : []),
]

/** On the server's door, with the token of the link. A blob is stored before the checkpoint that names it. */
export const checkpointPaths = {
  blob: (session: string, hash: string) => `/checkpoints/${session}/blobs/${hash}`,
  checkpoint: (session: string) => `/checkpoints/${session}`,
  /** What was said before the session came here. */
  history: (session: string) => `/history/${session}`,
} as const
