/** Somebody's own machine: a home with a checkout, and an agent as it comes from npm, which uses a model of theirs. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import type { InstalledAgent } from './installedAgent.ts'
import { git } from './repositories.ts'

export type Laptop = {
  /** Runs the agent's program to its end, and gives what it said; throws when it failed. */
  run(args: string[]): Promise<string>
  /** The agent's own server, with its logs. */
  serve(): Promise<{ url: string; said(): Promise<string> } & AsyncDisposable>
}

/** An agent starts twice in that time on a machine with much other work. */
const runMs = 240_000
const serveMs = 120_000

export async function laptop(options: {
  home: string
  agent: InstalledAgent
  modelUrl: string
  env?: Record<string, string>
}): Promise<Laptop> {
  const { home, agent, modelUrl } = options
  const checkout = join(home, 'widgets')
  await mkdir(checkout, { recursive: true })
  await writeFile(join(checkout, 'README.md'), 'Widgets.\n')
  await git(checkout, 'init', '-q', '-b', 'main')
  await git(checkout, 'remote', 'add', 'origin', 'git@github.com:Acme/Widgets.git')
  const provider = {
    npm: '@ai-sdk/openai-compatible',
    name: 'demo',
    options: { baseURL: `${modelUrl}/v1`, apiKey: 'none' },
    models: { demo: { name: 'demo' } },
  }
  await writeFile(
    join(checkout, `${agent.name}.json`),
    JSON.stringify({
      ...{ model: 'demo/demo', small_model: 'demo/demo', permission: 'allow' },
      provider: { demo: provider },
    }),
  )
  const place = {
    cwd: checkout,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      KILO_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      ...options.env,
    },
  }
  const newOutput = () => join(home, `output-${randomUUID()}`)

  return {
    async run(args) {
      const path = newOutput()
      // A file, since the agent ends without waiting until a pipe has taken all of it.
      await using output = await open(path, 'w')
      const stdio: ['ignore', number, number] = ['ignore', output.fd, output.fd]
      const child = spawn(agent.program, args, { ...place, stdio, timeout: runMs, killSignal: 'SIGKILL' })
      const [code] = await once(child, 'exit')
      const said = await readFile(path, 'utf8')
      if (code !== 0) throw new Error(`${agent.name} ${args[0]} ended with ${code}: ${said.slice(-2_000)}`)
      return said
    },
    async serve() {
      const path = newOutput()
      const output = await open(path, 'w')
      const args = ['serve', '--hostname', '127.0.0.1', '--port', '0', '--print-logs']
      const server = spawn(agent.program, args, { ...place, stdio: ['ignore', output.fd, output.fd] })
      await output.close()
      const said = () => readFile(path, 'utf8')
      async function end(): Promise<void> {
        if (server.exitCode !== null || server.signalCode !== null) return
        server.kill('SIGKILL')
        await once(server, 'exit')
      }
      try {
        const listening = /listening on (http:\S+)/
        const url = await eventually(
          `${agent.name} to listen`,
          serveMs,
          async () => listening.exec(await said())?.[1] ?? null,
        )
        return { url, said, [Symbol.asyncDispose]: end }
      } catch (error) {
        await end()
        throw new Error(`${agent.name} does not listen: ${(await said()).slice(-2_000)}`, { cause: error })
      }
    },
  }
}

/** Words of their own: what has a space in it the agent would put into quotes, and the model takes the prompt as it is. */
export const prompted = (prompt: string): string[] => prompt.split(' ')

/** What an agent says beside it stands before. */
export const jsonOf = (output: string): string => output.slice(output.indexOf('{'))
