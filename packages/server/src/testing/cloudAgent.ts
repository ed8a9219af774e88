/** For tests: the cloud-agent API with its `/stream` on one port, over real sessions and a real log. */
import { once } from 'node:events'
import { type AgentSessionId, type FailureReason, failures, type SessionId } from '@corral/protocol'
import { serve } from '@hono/node-server'
import { eq } from 'drizzle-orm'
import { createBudgets } from '../credits/budgets.ts'
import { createSessionChanges } from '../database/changes.ts'
import { member } from '../database/identityTables.ts'
import { session } from '../database/schema.ts'
import { cloudAgentFace } from '../faces/cloud-agent/routes.ts'
import { testInstallation } from '../faces/cloud-agent/testFace.ts'
import { testStream } from '../faces/cloud-agent/testStream.ts'
import type { StreamTimers } from '../faces/cloud-agent/viewer.ts'
import { createFeed, feedPath } from '../faces/feed/feed.ts'
import { testRecordings } from '../faces/ingest/testRecordings.ts'
import { internalApiSecret, quietLogger } from '../identity/testIdentity.ts'
import { createUploads } from '../sessions/attachments/uploads.ts'
import { failHead } from '../sessions/executions/sink.ts'
import { terminalsWithoutSandboxes } from './terminals.ts'

export type TestCloudAgent = Awaited<ReturnType<typeof testCloudAgent>>

export async function testCloudAgent(options: { timers?: StreamTimers } = {}) {
  const world = await testStream(options)
  const { database, sessions, callbacks, identity, log, stream } = world
  const face = cloudAgentFace({
    uploads: createUploads({ database }),
    budgets: createBudgets({ database }),
    installation: testInstallation,
    terminals: terminalsWithoutSandboxes(sessions),
    sessions,
    callbacks,
    identity,
    log,
    secretsKey: { publicKey: 'a key', keyId: '1' },
    logger: quietLogger,
    version: '0.1.0',
  })
  const ingest = testRecordings({ ...world, logger: quietLogger })
  face.route('/', ingest.face)
  const changes = createSessionChanges({ pool: database.pool, logger: quietLogger })
  const feed = createFeed({
    ...{ changes, internalApiSecret, rows: ingest.recordings.rows, allowedOrigins: [], logger: quietLogger },
    webTickets: identity.webTickets,
    standings: identity.standings,
  })
  const server = serve({ fetch: face.fetch, port: 0, hostname: '127.0.0.1' })
  server.on('upgrade', (request, socket, head) => {
    const { handleUpgrade } = request.url?.startsWith(feedPath) ? feed : stream
    handleUpgrade(request, socket, head)
  })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    ...world,
    url: `http://127.0.0.1:${address.port}`,
    apiKey: world.operator.apiKey,
    /** As when a database is found to have gone back. */
    async replaceHistory(id: SessionId): Promise<void> {
      await database.orm.update(session).set({ logId: crypto.randomUUID() }).where(eq(session.id, id))
    },
    /** The head of the queue fails before it has begun. */
    async fail(id: SessionId, reason: FailureReason): Promise<void> {
      await database.transaction(async (tx) => {
        await log.appendIn(tx, id, await failHead(tx, id, { reason, message: failures[reason].sentence }))
      })
    },
    async retitle(id: AgentSessionId, title: string): Promise<void> {
      await database.orm.update(session).set({ title }).where(eq(session.agentSessionId, id))
    },
    async endMemberships(userId: string): Promise<void> {
      await database.orm.delete(member).where(eq(member.userId, userId))
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await feed.close()
      await changes.close()
      await world[Symbol.asyncDispose]()
    },
  }
}
