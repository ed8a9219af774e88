import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { environmentOfConnection } from './connections.ts'

it('finds the program at the other end of a connection, and nobody once it has ended', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const connected: Promise<Socket[]> = once(server, 'connection')
  const program = spawn('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}; sleep 60`], {
    env: { PATH: process.env.PATH ?? '', SESSION_ID: 'agent_1' },
    detached: true,
  })
  try {
    const [socket] = await connected
    const ports = { own: socket?.remotePort ?? 0, other: port }
    expect(environmentOfConnection(ports)).toContain('SESSION_ID=agent_1')
    expect(environmentOfConnection({ own: port, other: port })).toBeNull()
    process.kill(-(program.pid ?? 0), 'SIGKILL')
    await expect.poll(() => environmentOfConnection(ports)).toBeNull()
    socket?.destroy()
  } finally {
    program.kill('SIGKILL')
    server.close()
  }
})
