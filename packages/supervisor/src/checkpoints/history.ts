/**
 * The history of OpenCode and Kilo as a file: the one database in the session's home that holds conversation, sub-agents
 * and todos. Invariants: it is copied as of one moment, also while the agent writes; a history that is there is never
 * written over; what unpacks to more than is allowed is refused.
 */
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { type Checkpoint, checkpointLimits } from '@corral/protocol'

type AgentName = NonNullable<Checkpoint['history']>['agent']

const databases = {
  opencode: '.local/share/opencode/opencode.db',
  kilo: '.local/share/kilo/kilo.db',
} as const satisfies Record<AgentName, string>

/** Where an agent of that name keeps its history; null for one that keeps none that we know. */
export function agentDatabase(agent: string, home: string): string | null {
  const known = agentNames.find((name) => name === agent)
  return known ? join(home, databases[known]) : null
}

const agentNames = ['opencode', 'kilo'] as const satisfies AgentName[]
/** Of a database whose writer is busy. */
const busyMs = 5_000
const pagesAtOnce = 1_000

export type CapturedHistory = { agent: AgentName; path: string }

/** Null: there is none yet. `too_large`: it is left out. */
export async function captureHistory(home: string, scratch: string): Promise<CapturedHistory | 'too_large' | null> {
  const agent = agentNames.find((name) => existsSync(join(home, databases[name])))
  if (!agent) return null
  const copy = join(scratch, 'history.db')
  using source = new DatabaseSync(join(home, databases[agent]), { readOnly: true, timeout: busyMs })
  await backup(source, copy, { rate: pagesAtOnce })
  if (statSync(copy).size > checkpointLimits.historyBytes) return 'too_large'
  const path = `${copy}.zst`
  const fast = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })
  await pipeline(createReadStream(copy), fast, createWriteStream(path))
  rmSync(copy)
  return { agent, path }
}

/** False when the agent has a history already, which is the newer one. */
export async function restoreHistory({ agent, path }: CapturedHistory, home: string): Promise<boolean> {
  const database = join(home, databases[agent])
  if (existsSync(database)) return false
  mkdirSync(dirname(database), { recursive: true })
  const fresh = `${database}.corral.tmp`
  let left: number = checkpointLimits.historyBytes
  const bounded = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      left -= chunk.length
      if (left < 0) throw new Error('the history of the agent unpacks to more than is allowed')
      yield chunk
    }
  }
  try {
    await pipeline(createReadStream(path), createZstdDecompress(), bounded, createWriteStream(fresh))
    // What a database before it has left would be read as part of this one.
    for (const rest of ['-wal', '-shm']) rmSync(database + rest, { force: true })
    renameSync(fresh, database)
    return true
  } finally {
    rmSync(fresh, { force: true })
  }
}
