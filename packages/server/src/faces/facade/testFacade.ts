/** For tests: the facade on a port, over real sessions and a real log; what an agent says is put into the log. */
import { once } from 'node:events'
import type { AgentSessionId, ExecutionId, MessageInfo, Part, SessionId } from '@corral/protocol'
import { newMessageId, newPartId } from '@corral/protocol'
import { serve } from '@hono/node-server'
import { expect } from 'vitest'
import { defaultTimers, type Timers } from '../../config.ts'
import { quietLogger } from '../../identity/testIdentity.ts'
import { createOutboundPolicy } from '../../outbound/policy.ts'
import { testSecrets } from '../../sessions/configuration/testSecrets.ts'
import { createRoots } from '../../sessions/reads/roots.ts'
import { createMessages } from '../../sessions/transcript/messages.ts'
import { bearer } from '../cloud-agent/testFace.ts'
import { testStream } from '../cloud-agent/testStream.ts'
import { testRecordings } from '../ingest/testRecordings.ts'
import { facadeFace } from './routes.ts'

export type TestFacade = Awaited<ReturnType<typeof testFacade>>
export type FacadeAnswer = { status: number; text: string; json: unknown; headers: Headers }

export async function testFacade(options: { beyond?: boolean; timers?: Partial<Timers> } = {}) {
  const world = await testStream()
  const { database, log, sessions, identity, operator } = world
  const roots = createRoots(database)
  const messages = createMessages(database)
  const { recordings } = testRecordings({ database, log, sessions, identity, logger: quietLogger })
  let replaced = 0
  const face = facadeFace({
    ...{ sessions, identity, log, roots, messages, recordings },
    publicUrl: null,
    repositories: { localRoots: [], outbound: createOutboundPolicy({ allowPrivateHosts: [] }) },
    digest: testSecrets().digest,
    placesReplaced(count) {
      replaced += count
    },
    timers: { ...defaultTimers, ...options.timers },
    beyond: options.beyond ?? true,
    defaultModel: 'scripted/demo',
    version: '0.1.0',
    logger: quietLogger,
  })
  const server = serve({ fetch: face.app.fetch, port: 0, hostname: '127.0.0.1' })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const url = `http://127.0.0.1:${address.port}`

  async function request(path: string, init: RequestInit & { apiKey?: string } = {}): Promise<FacadeAnswer> {
    const { apiKey = operator.apiKey, ...rest } = init
    const headers = { ...bearer(apiKey), ...(rest.body && { 'content-type': 'application/json' }), ...rest.headers }
    const response = await fetch(`${url}/kilo${path}`, { ...rest, headers })
    const text = await response.text()
    return { status: response.status, text, json: text === '' ? null : JSON.parse(text), headers: response.headers }
  }

  async function start(
    changes: { prompt?: string; gitUrl?: string; kilocodeOrganizationId?: string } = {},
    userId = operator.userId,
  ) {
    const { gitUrl, ...rest } = changes
    const ack = await sessions.start(
      { userId, botId: null, internal: false },
      {
        prompt: 'Say hello',
        mode: 'code',
        model: 'scripted/demo',
        ...(gitUrl === undefined ? { githubRepo: 'corral/sample' } : { gitUrl }),
        ...rest,
      },
    )
    return { id: ack.cloudAgentSessionId, agentSessionId: ack.kiloSessionId, executionId: ack.executionId }
  }

  /** As an agent says it. */
  const say = (id: SessionId, events: { type: string; properties: object }[], executionId?: ExecutionId) =>
    database.transaction((tx) =>
      log.appendIn(
        tx,
        id,
        events.map((data) => ({ type: 'kilocode', executionId, data: JSON.stringify(data) })),
      ),
    )

  return {
    ...world,
    roots,
    messages,
    url,
    routes: face.routes,
    request,
    start,
    say,
    placesReplaced: () => replaced,
    async [Symbol.asyncDispose]() {
      face.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      server.close()
      await world[Symbol.asyncDispose]()
    },
  }
}

/** An assistant's message and its parts, each as one full update. */
export function assistantSays(
  sessionID: AgentSessionId,
  parts: (Record<string, unknown> & { type: string })[],
  info: Record<string, unknown> = {},
): { id: string; events: { type: string; properties: object }[] } {
  const id = newMessageId()
  const message: MessageInfo = { id, sessionID, role: 'assistant', time: { created: 1, completed: 2 }, ...info }
  const updates = parts.map((part): Part => ({ id: newPartId(), sessionID, messageID: id, ...part }))
  return {
    id,
    events: [
      { type: 'message.updated', properties: { sessionID, info: message } },
      ...updates.map((part) => ({ type: 'message.part.updated', properties: { sessionID, part } })),
    ],
  }
}

export function expectRefused({ status, json }: FacadeAnswer, expected: number, error: string, named = ''): void {
  const message = expect.stringContaining(named)
  expect({ status, json }).toMatchObject({ status: expected, json: { error, message, data: { message } } })
}
