/** For tests: the cloud-agent API with its `/stream` on one port, over real sessions and a real log. */
import { once } from 'node:events'
import { serve } from '@hono/node-server'
import { cloudAgentFace } from '../faces/cloud-agent/routes.ts'
import { testStream } from '../faces/cloud-agent/testStream.ts'
import type { StreamTimers } from '../faces/cloud-agent/viewer.ts'
import { quietLogger } from '../identity/testIdentity.ts'

export type TestCloudAgent = Awaited<ReturnType<typeof testCloudAgent>>

export async function testCloudAgent(options: { timers?: StreamTimers } = {}) {
  const world = await testStream(options)
  const { sessions, identity, stream } = world
  const face = cloudAgentFace({ sessions, identity, logger: quietLogger, version: '0.1.0' })
  const server = serve({ fetch: face.fetch, port: 0, hostname: '127.0.0.1' })
  server.on('upgrade', stream.handleUpgrade)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    ...world,
    url: `http://127.0.0.1:${address.port}`,
    apiKey: world.operator.apiKey,
    async [Symbol.asyncDispose]() {
      server.close()
      await world[Symbol.asyncDispose]()
    },
  }
}
