/**
 * `corral demo`: the whole way with nothing but this machine. Starts a server of its own, makes a small repository with
 * a failing test, has a real agent mend it in a real sandbox, and shows what came out. Leaves nothing running.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { demoPrompt, demoRepository } from '@corral/scripted-model'
import type { Command } from 'commander'
import { CliError } from '../cliError.ts'
import { connect, dataFolder } from '../connection.ts'
import { followExecution } from '../follow.ts'
import { patchText } from '../show/diff.ts'
import { oneLine, safeText } from '../show/safeText.ts'
import { waterfall } from '../show/waterfall.ts'
import { color, createTerminal, type Terminal } from '../terminal.ts'

const execute = promisify(execFile)
const git = (args: string[]) => execute('git', args, { encoding: 'utf8' })
const startTimeoutMs = 60_000

export function addDemoCommand(program: Command, ambient: NodeJS.ProcessEnv): void {
  program
    .command('demo')
    .description('see a real agent mend a small repository in a real sandbox')
    .option('--agent <name>', 'opencode or kilo', 'opencode')
    .option('--keep', 'leave the server running')
    .action(async (options: { agent: string; keep?: boolean }) => {
      const home = join(dataFolder(ambient), 'demo')
      const repositories = join(home, 'repositories')
      const env = { ...ambient, CORRAL_HOME: home, CORRAL_PORT: '0', CORRAL_GIT_LOCAL_ROOTS: repositories }
      const terminal = createTerminal({ json: false })
      await mkdir(repositories, { recursive: true, mode: 0o700 })
      const server = await startServer(home, env)
      try {
        await installAgent(options.agent, env, terminal)
        const repository = await makeRepository(repositories)
        const { url } = await server.listening
        process.exitCode = await show({ agent: options.agent, repository, env, terminal })
        if (options.keep) {
          terminal.note(`\nThe page: ${(await signInLink(home, url)) ?? url}`)
          terminal.note(`The server goes on; end it with: CORRAL_HOME=${home} npx corral down`)
        } else terminal.note(color('dim', '\nTo see it on the page, too: npm run demo -- --keep'))
      } finally {
        if (!options.keep) await takeDown(env)
      }
    })
}

async function show(deps: {
  agent: string
  repository: string
  env: NodeJS.ProcessEnv
  terminal: Terminal
}): Promise<number> {
  const { agent, repository, env, terminal } = deps
  const { corral, defaultModel } = await connect({ CORRAL_HOME: env.CORRAL_HOME, CORRAL_MODEL: env.CORRAL_MODEL })
  heading(terminal, `${agent} works on ${repository} with ${defaultModel}`)
  if (defaultModel.startsWith('scripted/')) {
    terminal.note(
      color('dim', 'No model key is set: a scripted model plays its part. The agent, the sandbox and git are real.'),
    )
  }
  terminal.note(`> ${demoPrompt}\n`)
  const ack = await corral.call.start.mutate({
    prompt: demoPrompt,
    mode: 'code',
    model: defaultModel,
    agentKind: agent,
    gitUrl: repository,
    autoCommit: true,
  })
  const id = ack.cloudAgentSessionId
  // The demo is for people, also where its output is kept in a file.
  const watched = { ...terminal, live: true }
  const { exitCode, result } = await followExecution({ corral, terminal: watched }, id, ack.executionId, {
    autoCommit: true,
    from: 0,
  })
  if (exitCode !== 0)
    throw new CliError('The demo did not end well.', result.failure?.message ?? result.status, 'see above')

  const diff = await corral.call.getDiff.query({ cloudAgentSessionId: id })
  heading(terminal, 'What changed')
  terminal.result(patchText(diff))

  heading(terminal, 'What was pushed, as git tells it')
  const branch = `session/${id}`
  const { stdout } = await git(['--git-dir', repository, 'log', '--stat', '--format=%h %an: %s%n%b', `main..${branch}`])
  if (stdout.trim() === '') throw new CliError('Nothing was pushed.', `${branch} is not ahead of main`, 'see above')
  terminal.result(safeText(`${branch}\n${stdout}`))

  heading(terminal, 'Where the time went')
  terminal.result(waterfall(await corral.call.getTiming.query({ cloudAgentSessionId: id })))
  return exitCode
}

/** A bare repository with a failing test, made once; each session pushes a branch of its own. */
async function makeRepository(folder: string): Promise<string> {
  const repository = join(folder, 'sum.git')
  if (existsSync(repository)) return repository
  const checkout = join(folder, `.making-${process.pid}`)
  await mkdir(checkout, { recursive: true })
  for (const [path, content] of Object.entries(demoRepository)) {
    const file = join(checkout, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }
  const identity = ['-c', 'user.name=Demo', '-c', 'user.email=demo@localhost']
  await git(['-C', checkout, 'init', '--quiet', '--initial-branch=main'])
  await git(['-C', checkout, 'add', '--all'])
  await git(['-C', checkout, ...identity, 'commit', '--quiet', '-m', 'A sum that does not add up'])
  await git(['clone', '--quiet', '--bare', pathToFileURL(checkout).href, repository])
  await rm(checkout, { recursive: true })
  return repository
}

async function installAgent(name: string, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const { agentCatalog, createAgentStore, readConfig } = await import('@corral/server')
  if (!Object.hasOwn(agentCatalog, name)) {
    throw new CliError(
      `There is no agent "${oneLine(name)}".`,
      `known: ${Object.keys(agentCatalog).join(', ')}`,
      'name one of them',
    )
  }
  const { agentsFolder } = await readConfig(env)
  const store = createAgentStore({ folder: agentsFolder })
  if (await store.find(name)) return
  terminal.note(`Installing the agent ${name} (about 200 MB) …`)
  await store.install(name)
}

/** `corral up` as a process of its own, as everybody runs it; it starts while the rest is made ready. */
async function startServer(home: string, env: NodeJS.ProcessEnv): Promise<{ listening: Promise<{ url: string }> }> {
  const outputFile = join(home, 'server.out')
  const logFile = join(home, 'server.log')
  await using output = await open(outputFile, 'w', 0o600)
  await using log = await open(logFile, 'a', 0o600)
  const main = fileURLToPath(new URL('../main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, 'up'], { env, detached: true, stdio: ['ignore', output.fd, log.fd] })
  child.unref()

  async function listening(): Promise<{ url: string }> {
    const deadline = performance.now() + startTimeoutMs
    for (;;) {
      const url = /^listening on (\S+)$/m.exec(await readFile(outputFile, 'utf8'))?.[1]
      if (url) return { url }
      if (child.exitCode !== null || performance.now() > deadline) {
        const said = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-5).join('\n')
        throw new CliError('The server did not start.', said, `look at ${logFile}, and run "corral doctor"`)
      }
      await delay(20)
    }
  }
  const promise = listening()
  // Whoever waits for it hears of a failure; until then it must not end the process.
  promise.catch(() => {})
  return { listening: promise }
}

/** What the server has printed, unless somebody has used it already. The log has those of earlier starts, too. */
async function signInLink(home: string, url: string): Promise<string | undefined> {
  const log = await readFile(join(home, 'server.log'), 'utf8')
  const links = [...log.matchAll(/^sign in on the page: (\S+)$/gm)].map(([, link]) => link)
  return links.find((link) => link?.startsWith(`${url}/`))
}

async function takeDown(env: NodeJS.ProcessEnv): Promise<void> {
  const { createLogger, down, readConfig } = await import('@corral/server')
  await down(await readConfig(env), createLogger('warn'), env)
}

function heading(terminal: Terminal, text: string): void {
  terminal.note(`\n${color('bold', text)}`)
}
