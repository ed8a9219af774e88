/**
 * The conversation as the agent itself has it: its own `export`, on a copy of the home that it left in its sandbox.
 * One thing differs by design and is undone here: the id under which the agent knows a user's message.
 */
import { execFile } from 'node:child_process'
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { AgentSessionId, SessionExport, SessionId } from '@corral/protocol'
import type { Installation } from './installation.ts'

const execute = promisify(execFile)

type InstalledAgent = { name: string; folder: string; bin: string }

export async function agentExport(
  corral: Installation,
  which: { session: SessionId; agentSessionId: AgentSessionId; agent: string },
): Promise<SessionExport> {
  const { stdout: installed } = await corral.command(['agents', 'ls', '--json'])
  const agents: InstalledAgent[] = JSON.parse(installed)
  const agent = agents.find(({ name }) => name === which.agent)
  if (!agent) throw new Error(`${which.agent} is not installed`)

  const home = join(corral.folder, `home-of-${which.session}`)
  await cp(await homeInSandbox(corral, which.session), home, { recursive: true })
  const { stdout } = await execute(join(agent.folder, agent.bin), ['export', which.agentSessionId], {
    cwd: corral.folder,
    env: { PATH: process.env.PATH, HOME: home, OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' },
    timeout: 20_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  return JSON.parse(stdout.replaceAll(/msg_[0-9a-f]{12}zCorral/g, 'msg_'))
}

async function homeInSandbox(corral: Installation, session: SessionId): Promise<string> {
  const sandboxes = join(corral.home, 'sandboxes')
  for (const sandbox of await readdir(sandboxes)) {
    const homes = join(sandboxes, sandbox, 'home')
    if ((await readdir(homes)).includes(session)) return join(homes, session)
  }
  throw new Error(`no sandbox has a home of ${session}`)
}
