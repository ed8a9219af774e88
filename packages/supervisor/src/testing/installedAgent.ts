/** A real agent from the store on this machine, or why there is none. */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ExecuteParams } from '@corral/protocol'
import { z } from 'zod'

export type InstalledAgent = { agent: ExecuteParams['agent'] } | { missing: string }

const recordSchema = z.object({
  name: z.string(),
  version: z.string(),
  kind: z.enum(['opencode', 'acp']),
  bin: z.string(),
})

export function installedAgent(reference: string, store: string | undefined): InstalledAgent {
  const folder = join(store ?? join(homedir(), '.cache', 'corral', 'agents'), reference)
  const path = join(folder, 'agent.json')
  if (!existsSync(path)) return { missing: `${reference} is not installed; run: npx corral agents add ${reference}` }
  const { name, version, kind, bin } = recordSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  return { agent: { name, version, kind, command: join(folder, bin) } }
}
