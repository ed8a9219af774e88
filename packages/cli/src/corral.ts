/** The command line: each command has its file; this one puts them together and explains what went wrong. */
import { Command } from 'commander'
import { explain } from './cliError.ts'
import { addAgentCommands } from './commands/agents.ts'
import { addAskCommands } from './commands/asks.ts'
import { addCallbackCommands } from './commands/callbacks.ts'
import { addCreditCommands } from './commands/credits.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addGithubCommands } from './commands/github.ts'
import { addIdentityCommands } from './commands/identity.ts'
import { addServerCommands } from './commands/server.ts'
import { addSessionCommands } from './commands/sessions.ts'
import { addTerminalCommand } from './commands/terminal.ts'

/** Sets the exit code of the process: 0 when it went well. */
export async function corral(env: NodeJS.ProcessEnv): Promise<void> {
  const program = new Command('corral')
    .description('your own cloud for coding agents')
    .option('--json', 'machine-readable output')
    .showHelpAfterError()
  addServerCommands(program, env)
  addAgentCommands(program, env)
  addSessionCommands(program, env)
  addTerminalCommand(program, env)
  addAskCommands(program, env)
  addCallbackCommands(program, env)
  addIdentityCommands(program, env)
  addGithubCommands(program, env)
  addCreditCommands(program, env)
  addDemoCommand(program, env)
  try {
    await program.parseAsync()
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    process.exitCode = 1
  }
}
