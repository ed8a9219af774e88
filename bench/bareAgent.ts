/**
 * The agent alone on this machine: the program and the configuration that it has in a sandbox, in a home and a checkout
 * of its own, and nothing of ours between it, the model and its user. Invariant: nothing of it outlives its conversation.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { defaultPermissions, type KilocodeData } from '@corral/protocol'
import { agentEnvironment, providerId } from '../packages/supervisor/src/agents/opencode/configuration.ts'
import { type Begin, createEar, type Ear, nowMs } from './conversation.ts'

const execute = promisify(execFile)

const model = 'scripted/demo'
const startMs = 30_000
/** A probe that comes too early may never be answered. */
const probeMs = 200
const lookEveryMs = 10
const callMs = 60_000
const serve = { username: 'bench', password: 'bench' }

export const beginBare =
  (options: {
    program: string
    repository: string
    /** Where its home and its checkout may lie. */
    folder: string
    modelUrl(): Promise<string>
  }): Begin =>
  async (prompt) => {
    const place = await mkdtemp(join(options.folder, 'bare-'))
    const [home, checkout] = [join(place, 'home'), join(place, 'checkout')]
    await mkdir(home)
    await execute('git', ['clone', '--quiet', options.repository, checkout])
    const port = await freePort()
    const call = createCall(`http://127.0.0.1:${port}`)
    const access = { model: { id: model, wire: 'openai-chat' as const }, gateway: { token: 'bench' } }
    const environment = agentEnvironment({
      access,
      policy: defaultPermissions,
      serve,
      gatewayOrigin: await options.modelUrl(),
    })

    const ear = createEar()
    const feed = new AbortController()
    let stop = async () => {}
    let session = ''
    const send = async (text: string) => {
      const body = { parts: [{ type: 'text', text }], model: { providerID: providerId, modelID: model } }
      await call('POST', `/session/${session}/prompt_async`, { body })
    }
    const end = async () => {
      feed.abort()
      await stop()
    }
    try {
      const first = await ear.turn(async () => {
        const agent = spawn(options.program, ['serve', '--hostname', '127.0.0.1', '--port', String(port)], {
          cwd: checkout,
          env: { PATH: process.env.PATH, HOME: home, ...environment },
          detached: true,
          stdio: 'ignore',
        })
        const ended = once(agent, 'exit')
        stop = async () => {
          if (agent.pid !== undefined && agent.exitCode === null) process.kill(-agent.pid, 'SIGKILL')
          await ended
        }
        await untilHealthy(call)
        // A title of ours keeps the agent from asking the model for one, as behind Corral.
        const made: { id: string } = await (await call('POST', '/session', { body: { title: 'bench' } })).json()
        session = made.id
        await listen({ call, ear, session, signal: feed.signal })
        await send(prompt)
      })
      return { first, turn: (text, listen) => ear.turn(() => send(text), listen), [Symbol.asyncDispose]: end }
    } catch (error) {
      await end()
      throw error
    }
  }

type Call = (method: string, path: string, options?: { body?: object; signal?: AbortSignal }) => Promise<Response>

function createCall(origin: string): Call {
  const authorization = `Basic ${Buffer.from(`${serve.username}:${serve.password}`).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/json' }
  return async (method, path, { body, signal = AbortSignal.timeout(callMs) } = {}) => {
    const content = body ? { body: JSON.stringify(body) } : {}
    const response = await fetch(origin + path, { method, headers, signal, ...content })
    if (!response.ok) throw new Error(`The agent answered ${response.status} to ${method} ${path}.`)
    return response
  }
}

async function untilHealthy(call: Call): Promise<void> {
  const deadline = performance.now() + startMs
  for (;;) {
    try {
      await (await call('GET', '/global/health', { signal: AbortSignal.timeout(probeMs) })).text()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await delay(lookEveryMs)
  }
}

/** Resolves when the feed of the agent's events is there. */
async function listen(options: { call: Call; ear: Ear; session: string; signal: AbortSignal }): Promise<void> {
  const { call, ear, session, signal } = options
  const { body } = await call('GET', '/event', { signal })
  if (!body) throw new Error('The feed of the agent has no body.')
  void read(body).catch((error: Error) => ear.fail(error))

  async function read(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of chunks) {
      const atMs = nowMs()
      const frames = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = frames.pop() ?? ''
      for (const frame of frames) {
        const event: KilocodeData = JSON.parse(frame.slice('data: '.length))
        ear.hear(atMs, event)
        if (event.type === 'session.idle' && event.properties.sessionID === session) ear.done()
      }
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  if (address === null || typeof address === 'string') throw new Error('There is no free port.')
  return address.port
}
