/** The commands about this installation: up, down, doctor. */
import type { Command } from 'commander'
import { CliError } from '../cliError.ts'
import { color, createTerminal } from '../terminal.ts'

/** Loaded when it is needed: the other commands answer sooner without it. */
const server = () => import('@corral/server')

export function addServerCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const terminal = () => createTerminal({ json: program.opts<{ json?: boolean }>().json === true })

  program
    .command('up')
    .description('start the server of this data folder and stay')
    .action(async () => {
      const { createLogger, readConfig, up } = await server()
      const config = await readConfig(env)
      const stopped = stopSignal()
      const running = await up(config, createLogger(config.logLevel), env)
      process.stdout.write(`listening on ${running.url}\n`)
      if (running.signInUrl) process.stderr.write(`sign in on the page: ${running.signInUrl}\n`)
      if (running.apiKey) process.stderr.write(`your API key, also in ${config.home}/cli.json: ${running.apiKey}\n`)
      if (Object.keys(config.upstreams).length === 0) {
        process.stderr.write('no model key is set: sessions use the scripted model, which has no intelligence\n')
      }
      const ended = await Promise.race([stopped, running.lost.then(() => 'lost' as const)])
      const late = setTimeout(() => process.exit(1), config.timers.shutdownMs).unref()
      await running.close()
      clearTimeout(late)
      if (ended === 'lost') {
        throw new CliError('This server has stopped.', 'another server has taken over its database', 'use that one')
      }
    })

  program
    .command('down')
    .description('end everything of this data folder: server, sandboxes, gateway, database')
    .action(async () => {
      const { createLogger, down, readConfig } = await server()
      const config = await readConfig(env)
      const ended = await down(config, createLogger('warn'), env)
      terminal().result(ended.length === 0 ? 'Nothing was running.\n' : `Ended: ${ended.join(', ')}.\n`)
    })

  program
    .command('doctor')
    .description('what works on this machine, and what to do about the rest')
    .action(async () => {
      const { doctor, readConfig } = await server()
      const findings = await doctor(await readConfig(env), env)
      const out = terminal()
      if (out.json) return out.result(`${JSON.stringify(findings, null, 2)}\n`)
      const marks = { works: color('green', '✔'), warning: color('yellow', '!'), missing: color('red', '✘') }
      for (const { what, state, says, remedy } of findings) {
        out.result(`${marks[state]} ${what.padEnd(10)} ${says}\n`)
        if (remedy) out.result(`  ${' '.repeat(10)} ${color('dim', `→ ${remedy}`)}\n`)
      }
      if (findings.some(({ state }) => state === 'missing')) process.exitCode = 1
    })
}

function stopSignal(): Promise<'signal'> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve('signal'))
    process.once('SIGINT', () => resolve('signal'))
  })
}
