/** One installation and the same agent beside it, for benchmarks of the whole; both speak to one scripted model. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ScriptedModelControl } from '@corral/scripted-model'
import { startInstallation } from '../e2e/harness/installation.ts'
import { makeRepository } from '../e2e/harness/repositories.ts'
import { createAgentStore } from '../packages/server/src/agents/store.ts'
import { agentsFolder } from '../packages/server/src/config.ts'
import { beginBare } from './bareAgent.ts'
import type { Begin } from './conversation.ts'
import { beginBehindCorral, beginPrepared } from './corralAgent.ts'

export type Agents = AsyncDisposable & {
  /** Of the installation, by which its processes are told. */
  folder: string
  ours: Begin
  /** Ours, begun in a session that was prepared and is warm. */
  prepared: Begin
  bare: Begin
  /** There once a conversation of ours has begun. */
  model(): Promise<ScriptedModelControl>
}

export async function startAgents(): Promise<Agents> {
  const agent = await createAgentStore({ folder: agentsFolder(process.env) }).install('opencode')
  const corral = await startInstallation()
  const repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  return {
    folder: corral.folder,
    ours: beginBehindCorral(corral, repository),
    prepared: beginPrepared(corral, repository),
    bare: beginBare({
      program: join(agent.folder, agent.bin),
      repository,
      folder: corral.folder,
      modelUrl: async () => (await readFile(join(corral.home, 'scripted-model', 'url'), 'utf8')).trim(),
    }),
    model: () => corral.model(),
    [Symbol.asyncDispose]: () => corral.end(),
  }
}
