/**
 * A Redis for one run, beside which the log is measured: its streams, on disk before they answer, as ours are. Started
 * here when the machine has `redis-server`, and gone afterwards.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@redis/client'

export type RedisStreams = AsyncDisposable & {
  /** Appends to a stream in one round trip; resolves when all is on disk. */
  append(stream: string, texts: readonly string[]): Promise<void>
}

const startMs = 10_000

/** Null where there is none. */
export async function startRedis(): Promise<RedisStreams | null> {
  if (spawnSync('redis-server', ['--version']).error) return null
  const folder = await mkdtemp(join(tmpdir(), 'corral-bench-redis-'))
  const path = join(folder, 'redis.sock')
  const settings = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '']
  const server = spawn('redis-server', [...settings, '--appendonly', 'yes', '--appendfsync', 'always'], {
    stdio: 'ignore',
  })
  const ended = once(server, 'exit')
  const client = createClient({ socket: { path, reconnectStrategy: false } })
  client.on('error', () => {})
  await connect(client)
  return {
    async append(stream, texts) {
      await Promise.all(texts.map((data) => client.xAdd(stream, '*', { data })))
    },
    async [Symbol.asyncDispose]() {
      client.destroy()
      server.kill()
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

async function connect(client: { connect(): Promise<unknown> }): Promise<void> {
  for (const deadlineMs = performance.now() + startMs; ; await delay(50)) {
    try {
      await client.connect()
      return
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
    }
  }
}
