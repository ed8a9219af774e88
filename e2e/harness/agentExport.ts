/**
 * The conversation as the agent itself has it: its own `export`, on a copy of the home that it left in its sandbox.
 * One thing differs by design and is undone here: the id under which the agent knows a user's message.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentSessionId, SessionExport, SessionId } from '@corral/protocol'
import type { Installation } from './installation.ts'
import { installedAgent } from './installedAgent.ts'

const exportMs = 90_000

export async function agentExport(
  corral: Installation,
  which: { session: SessionId; agentSessionId: AgentSessionId; agent: string },
): Promise<SessionExport> {
  const agent = await installedAgent(corral, which.agent)
  if (!agent) throw new Error(`${which.agent} is not installed`)

  const copy = join(corral.folder, `home-of-${which.session}`)
  // What an earlier copy has left beside its database would be read as part of this one.
  await rm(copy, { recursive: true, force: true })
  await cp(await homeInSandbox(corral, which.session), copy, { recursive: true })
  const exported = join(copy, 'exported.json')
  await runExport(agent.program, which.agentSessionId, { home: copy, exported })
  const text = await readFile(exported, 'utf8')
  return JSON.parse(text.replaceAll(/msg_[0-9a-f]{12}zCorral/g, 'msg_'))
}

/** Into a file, since the agent ends without waiting until a pipe has taken all of it. */
async function runExport(program: string, agentSessionId: AgentSessionId, to: { home: string; exported: string }) {
  await using output = await open(to.exported, 'w')
  const child = spawn(program, ['export', agentSessionId], {
    cwd: to.home,
    env: {
      PATH: process.env.PATH,
      HOME: to.home,
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_AUTOUPDATE: '1',
    },
    stdio: ['ignore', output.fd, 'ignore'],
    timeout: exportMs,
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${program} export ended with ${code}`)
}

async function homeInSandbox(corral: Installation, session: SessionId): Promise<string> {
  const sandboxes = join(corral.home, 'sandboxes')
  for (const sandbox of await readdir(sandboxes)) {
    const homes = join(sandboxes, sandbox, 'home')
    if ((await readdir(homes)).includes(session)) return join(homes, session)
  }
  throw new Error(`no sandbox has a home of ${session}`)
}
