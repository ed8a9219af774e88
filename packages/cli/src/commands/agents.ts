/** The commands about the agents of this installation: list, add, rm. They work on the disk, with or without a server. */
import type { Command } from 'commander'
import { output } from '../show/output.ts'
import { color, createTerminal } from '../terminal.ts'

/** Loaded when it is needed: the other commands answer sooner without it. */
const server = () => import('@corral/server')

export function addAgentCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const terminal = () => createTerminal({ json: program.opts<{ json?: boolean }>().json === true })

  const agents = program.command('agents').description('the agents of this installation')
  agents
    .command('list', { isDefault: true })
    .alias('ls')
    .description('installed agents; a session gets the newest version, and stays with it')
    .action(async () => {
      const { agentCatalog, createAgentStore, readConfig } = await server()
      const { agentsFolder } = await readConfig(env)
      const installed = await createAgentStore({ folder: agentsFolder }).list()
      const out = terminal()
      output(out, installed, () => installed.map(({ name, version }) => `${name}@${version}\n`).join(''))
      const others = Object.keys(agentCatalog).filter((name) => !installed.some((agent) => agent.name === name))
      if (others.length > 0 && !out.json) out.note(color('dim', `can be added: ${others.join(', ')}`))
    })
  agents
    .command('add')
    .description('install an agent from npm, and prove that it starts')
    .argument('<name[@version]>')
    .action(async (reference: string) => {
      const { createAgentStore, readConfig } = await server()
      const { agentsFolder } = await readConfig(env)
      const agent = await createAgentStore({ folder: agentsFolder }).install(reference)
      output(terminal(), agent, () => `${agent.name}@${agent.version}\n`)
    })
  agents
    .command('rm')
    .description('remove an agent that does not run; sessions made with it are refused until it is added again')
    .argument('<name[@version]>')
    .action(async (reference: string) => {
      const { readConfig, removeAgent } = await server()
      const removed = await removeAgent((await readConfig(env)).agentsFolder, reference)
      output(terminal(), removed, () => `Removed ${removed.name}@${removed.version}.\n`)
    })
}
