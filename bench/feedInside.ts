/**
 * The own feed of an agent that runs in a sandbox, heard beside its supervisor: a listener of ours in the sandbox's
 * network. Takes root; `null` without.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { processesOf } from '../e2e/harness/processes.ts'

export type FeedInside = AsyncDisposable & {
  /** When each event came, by its key, in the order of their coming; and forgets them. */
  take(): Map<string, number[]>
}

const lineSchema = z.union([z.object({ connected: z.literal(true) }), z.object({ key: z.string(), atMs: z.number() })])

/** Of the one agent that runs in this installation. */
export async function listenInside(folder: string): Promise<FeedInside | null> {
  if (process.getuid?.() !== 0) return null
  const agent = (await processesOf(folder)).find(({ commandLine }) =>
    / serve --hostname \S+ --port \d+/.test(commandLine),
  )
  if (!agent) throw new Error('No agent runs that could be listened to.')
  const environment = await readFile(`/proc/${agent.pid}/environ`, 'latin1')
  const variable = (name: string) =>
    new RegExp(`(?:^|\\0)OPENCODE_SERVER_${name}=([^\\0]*)`).exec(environment)?.[1] ?? ''
  const access = Buffer.from(`${variable('USERNAME')}:${variable('PASSWORD')}`).toString('base64')
  const [, port] = /--port (\d+)/.exec(agent.commandLine) ?? []
  const listener = fileURLToPath(new URL('./feedListener.ts', import.meta.url))
  const child = spawn('nsenter', ['--net', '--target', `${agent.pid}`, process.execPath, listener], {
    env: { FEED_ORIGIN: `http://127.0.0.1:${port}`, FEED_AUTHORIZATION: `Basic ${access}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let heard = new Map<string, number[]>()
  const connected = Promise.withResolvers<void>()
  createInterface(child.stdout).on('line', (text) => {
    const line = lineSchema.parse(JSON.parse(text))
    if ('connected' in line) return connected.resolve()
    heard.set(line.key, [...(heard.get(line.key) ?? []), line.atMs])
  })
  const ended = once(child, 'exit')
  await Promise.race([
    connected.promise,
    ended.then(() => Promise.reject(new Error('The listener in the sandbox has ended.'))),
  ])
  return {
    take() {
      const taken = heard
      heard = new Map()
      return taken
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
