/**
 * A conversation that began elsewhere, brought to the agent before its first start here, by its own `import`. Invariants:
 * a history that the agent has made since is never touched; an import that was cut off is done again, and ends as if it
 * had not been.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { WarmParams } from '@corral/protocol'
import { agentDatabase } from '../../checkpoints/history.ts'
import { run } from '../../host/run.ts'
import { AgentUnavailable } from './server.ts'

const importMs = 120_000

export type FetchHistory = (path: string, signal: AbortSignal) => Promise<void>

export async function importHistory(options: {
  params: WarmParams
  environment: Record<string, string>
  fetchHistory: FetchHistory
  signal: AbortSignal
}): Promise<void> {
  const { params, environment, fetchHistory, signal } = options
  const folder = join(params.home, '.corral')
  /** There from the end of the fetching to the end of the import. */
  const file = join(folder, 'history.json')
  const database = agentDatabase(params.agent.name, params.home)
  if (!existsSync(file) && database !== null && existsSync(database)) return
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const partial = `${file}.partial`
    rmSync(partial, { force: true })
    await fetchHistory(partial, signal)
    renameSync(partial, file)
  }
  const { code, stderr } = await run({
    command: params.agent.command,
    args: ['import', file],
    cwd: params.workspacePath,
    environment,
    timeoutMs: importMs,
    signal,
  })
  signal.throwIfAborted()
  if (code !== 0) throw new AgentUnavailable('The agent did not take the conversation from before.', stderr)
  rmSync(file, { force: true })
}
