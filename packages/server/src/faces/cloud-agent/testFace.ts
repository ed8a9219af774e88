/** For tests: the whole cloud-agent API on a port, over real sessions and a real log; no sandbox ever starts. */
import { once } from 'node:events'
import { type Installation, type RefusalReason, refusals } from '@corral/protocol'
import { serve } from '@hono/node-server'
import type { Logger } from 'pino'
import { expect } from 'vitest'
import { z } from 'zod'
import { defaultTimers } from '../../config.ts'
import { createBudgets } from '../../credits/budgets.ts'
import { createCredits } from '../../credits/credits.ts'
import type { Database } from '../../database/transaction.ts'
import type { GithubSignIn } from '../../identity/auth.ts'
import { type Demand, demandSchema } from '../../identity/authorize.ts'
import type { Identity } from '../../identity/identity.ts'
import { quietLogger, type TestIdentity, testIdentity } from '../../identity/testIdentity.ts'
import { createLog } from '../../log/log.ts'
import { createOutboundPolicy } from '../../outbound/policy.ts'
import { createUploads } from '../../sessions/attachments/uploads.ts'
import type { SealedConfigurations } from '../../sessions/configuration/sealedConfiguration.ts'
import { testSecrets } from '../../sessions/configuration/testSecrets.ts'
import { createSessions } from '../../sessions/create.ts'
import { createSink } from '../../sessions/executions/sink.ts'
import { createLinks } from '../../supervisors/links.ts'
import { testCallbacks } from '../../testing/callbacks.ts'
import { terminalsWithoutSandboxes } from '../../testing/terminals.ts'
import { identityFace } from '../identity/routes.ts'
import { testRecordings } from '../ingest/testRecordings.ts'
import { createRouter } from './router.ts'
import { cloudAgentFace } from './routes.ts'

export type Answer = {
  status: number
  type: string | null
  text: string
  json: unknown
  /** What tRPC's error and problem+json have in common. */
  refusal: z.infer<typeof refusalSchema> | null
}

export type ServedFace = AsyncDisposable & {
  /** Opens what sessions were prepared with. */
  sealed: SealedConfigurations
  url: string
  /** What the router has, by its own word. */
  procedures: Record<string, { type: 'query' | 'mutation' | 'subscription'; demand: Demand | undefined }>
  /** `<method> <path>`, without those of the router. */
  routes: string[]
  /** JSON unless `headers` say otherwise. */
  request(path: string, init?: RequestInit): Promise<Answer>
  mutate(procedure: string, input: unknown, headers?: Record<string, string>): Promise<Answer>
  query(procedure: string, input?: unknown, headers?: Record<string, string>): Promise<Answer>
}

/** A session that may be prepared. */
export const preparation = { prompt: 'Say hello', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' }

export const testInstallation = async (): Promise<Installation> => ({
  agents: [{ name: 'opencode', version: '1.18.33' }],
  defaultAgent: 'opencode',
  defaultModel: 'scripted/demo',
  models: ['scripted/demo'],
  upstreams: ['scripted'],
})

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** With users, organizations and keys in a database of its own. */
export async function testFace(
  options: { logger?: Logger; github?: GithubSignIn } = {},
): Promise<ServedFace & TestIdentity> {
  const { github, ...others } = options
  const world = await testIdentity({ github })
  const served = await serveFace({ logger: quietLogger, ...world, ...others })
  async function dispose() {
    await served[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  }
  return { ...world, ...served, [Symbol.asyncDispose]: dispose }
}

export async function serveFace(options: {
  database: Database
  identity: Identity
  logger: Logger
}): Promise<ServedFace> {
  const { database, identity, logger } = options
  const wake = () => {}
  const callbacks = testCallbacks(database)
  const sink = createSink({ timers: defaultTimers, callbacks: callbacks.owe, wake })
  const log = createLog({ database, sink, redact: (_, events) => events, logger })
  const links = createLinks({ database, offer: log.offer, changed: wake, logger })
  const secrets = testSecrets()
  const sessions = createSessions({
    database,
    log,
    links,
    membership: identity.membership,
    ...secrets,
    callbackTargets: callbacks.targets,
    credits: createCredits({ minimumUsd: 1, isPriced: (model) => !model.includes('unpriced') }),
    repositories: { localRoots: [], outbound: createOutboundPolicy({ allowPrivateHosts: [] }) },
    chooseAgent: async (kind = 'opencode') => ({ kind, version: '1.18.33' }),
    checkModel: async () => null,
    codeHost: () => null,
    defaultModel: 'scripted/demo',
    wake,
    timers: defaultTimers,
  })
  const budgets = createBudgets({ database })
  const terminals = terminalsWithoutSandboxes(sessions)
  const app = cloudAgentFace({
    uploads: createUploads({ database }),
    sessions,
    callbacks,
    budgets,
    terminals,
    installation: testInstallation,
    identity,
    log,
    secretsKey: { publicKey: 'a key', keyId: '1' },
    logger,
    version: '0.1.0',
  })
  app.route('/', testRecordings({ database, log, sessions, identity, logger }).face)
  app.route('/', identityFace({ signIn: identity.signIn, logger }))
  const router = createRouter({
    sessions,
    identity,
    log,
    callbacks,
    budgets,
    terminals,
    installation: testInstallation,
    health: () => ({ status: 'ok', timestamp: 0, version: '' }),
    logger,
  })
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const url = `http://127.0.0.1:${address.port}`

  async function request(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...init.headers }
    const response = await fetch(url + path, { ...init, headers, ...(init.body && { duplex: 'half' }) })
    const text = await response.text()
    const json: unknown = JSON.parse(text)
    const refusal = refusalSchema.safeParse(json)
    const type = response.headers.get('content-type')
    return { status: response.status, type, text, json, refusal: refusal.success ? refusal.data : null }
  }

  return {
    url,
    sealed: secrets.sealed,
    procedures: Object.fromEntries(
      Object.entries(router._def.procedures).map(([name, { _def }]) => [
        name,
        { type: _def.type, demand: demandSchema.optional().parse(_def.meta) },
      ]),
    ),
    routes: app.routes
      .filter(({ method, path }) => method !== 'ALL' && !path.startsWith('/trpc/'))
      .map(({ method, path }) => `${method} ${path}`),
    request,
    mutate: (procedure, input, headers) =>
      request(`/trpc/${procedure}`, { method: 'POST', headers, body: JSON.stringify(input) }),
    query(procedure, input, headers) {
      const search = input === undefined ? '' : `?input=${encodeURIComponent(JSON.stringify(input))}`
      return request(`/trpc/${procedure}${search}`, { headers })
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await callbacks.close()
      await links.close()
      await log.close()
    },
  }
}

const details = z.union([z.array(z.object({ path: z.string(), message: z.string() })), z.looseObject({})]).optional()
const reason = z.custom<RefusalReason>((value) => typeof value === 'string' && value in refusals)
const trpcRefusal = z.object({
  error: z.object({
    message: z.string(),
    data: z.object({ code: z.string(), httpStatus: z.number(), reason, sentence: z.string(), details }),
  }),
})
const problemRefusal = z.object({ status: z.number(), reason, detail: z.string(), details })
const refusalSchema = z.union([
  trpcRefusal.transform(({ error: { data } }) => data),
  problemRefusal.transform(({ status, detail, ...rest }) => ({
    code: refusals[rest.reason].trpcCode,
    httpStatus: status,
    sentence: detail,
    ...rest,
  })),
])

/** The row of the table of refusals, on both levels of the answer. */
export function expectRefusal(answer: Answer, expected: RefusalReason): void {
  const { httpStatus, trpcCode: code } = refusals[expected]
  expect(answer.refusal, answer.text).toMatchObject({ reason: expected, httpStatus, code })
  expect(answer.status).toBe(httpStatus)
}
