/**
 * For tests of faults: the whole server in this process, as `corral up` puts it together, on a database of its own and
 * over a driver of the test's. Its agent is a name in the store. Invariant: disposing leaves nothing.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionId, SessionExport, SessionId } from '@corral/protocol'
import { asc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { type Logger, pino } from 'pino'
import { expect, vi } from 'vitest'
import { agentCatalog } from '../../agents/catalog.ts'
import { readConfig, type Timers } from '../../config.ts'
import { connect } from '../../database/connect.ts'
import { event, execution, sandbox, session } from '../../database/schema.ts'
import { type Engine, startEngine } from '../../engine.ts'
import type { Driver } from '../../sandboxes/driver.ts'
import { testDatabase } from '../postgres.ts'

const apiKey = 'corral_operator_of_these_tests_0123456789'
const endMs = 30_000

export type TestEngine = Awaited<ReturnType<typeof startTestEngine>>

export async function startTestEngine({
  driver,
  timers = {},
  logger = pino({ level: 'silent' }),
}: {
  driver: Driver
  timers?: Partial<Timers>
  logger?: Logger
}) {
  const stored = await testDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'corral-faults-'))
  const doorsFolder = join(folder, 'doors')
  await mkdir(doorsFolder)
  await addAgent(join(folder, 'agents'))
  const config = await readConfig({
    CORRAL_HOME: join(folder, 'home'),
    CORRAL_PORT: '0',
    CORRAL_AGENTS_DIR: join(folder, 'agents'),
    CORRAL_BOOTSTRAP_API_KEY: apiKey,
    CORRAL_TEST_TIMERS: Object.entries({ reconcilerPollMs: 50, compactionMs: 3_600_000, ...timers })
      .map(([name, ms]) => `${name}=${ms}`)
      .join(),
  })
  let running: { engine: Engine; pool: ReturnType<typeof connect> } | null = null

  async function start(): Promise<void> {
    const pool = connect(stored.url)
    const engine = await startEngine({
      ...{ config, pool, driver, doorsFolder, logger },
      soleServer: true,
      wantScriptedModel: () => undefined,
      gatewayFigures: async () => null,
    })
    running = { engine, pool }
  }
  async function stop(): Promise<void> {
    const was = running
    running = null
    await was?.engine.close()
    await was?.pool.end()
  }
  const url = () => running?.engine.url ?? expect.fail('the server is stopped')
  await start()
  const orm = drizzle(stored.pool)

  async function call<T>(procedure: string, input: object): Promise<T> {
    const response = await fetch(`${url()}/trpc/${procedure}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify(input),
    })
    const body = await response.json()
    if (!response.ok) throw new Error(`${procedure}: ${response.status} ${JSON.stringify(body)}`)
    return body.result.data
  }

  const rowOf = async (id: ExecutionId) => {
    const [row] = await orm.select().from(execution).where(eq(execution.id, id))
    return row ?? expect.fail(`${id} is lost`)
  }

  return {
    orm,
    stop,
    start,
    call,
    async begin(prompt = 'Say hello', more: object = {}): Promise<{ session: SessionId; execution: ExecutionId }> {
      const input = { prompt, mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample', ...more }
      const ack = await call<{ cloudAgentSessionId: SessionId; executionId: ExecutionId }>('start', input)
      return { session: ack.cloudAgentSessionId, execution: ack.executionId }
    },
    async send(cloudAgentSessionId: SessionId, prompt: string): Promise<ExecutionId> {
      return (await call<{ executionId: ExecutionId }>('sendMessage', { cloudAgentSessionId, prompt })).executionId
    },
    rowOf,
    /** Its final row. */
    ended: (id: ExecutionId, withinMs = endMs) =>
      vi.waitFor(
        async () => {
          const row = await rowOf(id)
          if (row.endedAt === null) throw new Error(`${id} is still ${row.state}`)
          return row
        },
        { timeout: withinMs, interval: 20 },
      ),
    async exported(of: SessionId): Promise<SessionExport> {
      const headers = { authorization: `Bearer ${apiKey}` }
      const response = await fetch(`${url()}/api/session/${of}/export`, { headers })
      return response.json()
    },
    executions: (of: SessionId) =>
      orm.select().from(execution).where(eq(execution.sessionId, of)).orderBy(asc(execution.queuedSeq)),
    events: (of: SessionId) => orm.select().from(event).where(eq(event.sessionId, of)).orderBy(asc(event.seq)),
    async sandboxOf(of: SessionId) {
      const [row] = await orm
        .select({ sandbox })
        .from(sandbox)
        .innerJoin(session, eq(session.sandboxId, sandbox.id))
        .where(eq(session.id, of))
      return row?.sandbox ?? expect.fail(`${of} has no sandbox`)
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await stored[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

/** As `corral agents add` leaves it; nobody starts it. */
async function addAgent(store: string): Promise<void> {
  const [name, entry] = Object.entries(agentCatalog)[0] ?? expect.fail('the catalog is empty')
  const folder = join(store, `${name}@${entry.defaultVersion}`)
  await mkdir(folder, { recursive: true })
  const record = { name, version: entry.defaultVersion, kind: entry.kind, wire: entry.wire, bin: 'agent' }
  await writeFile(join(folder, 'agent.json'), JSON.stringify(record))
}

/** What holds of every session when all is over: numbers without a gap, one ending event each, in the queue's order. */
export async function expectWhole(engine: TestEngine, of: SessionId): Promise<void> {
  const [events, executions] = await Promise.all([engine.events(of), engine.executions(of)])
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1))
  expect(events.filter(({ ends }) => ends).map(({ executionId }) => executionId)).toEqual(
    executions.map(({ id }) => id),
  )
  const sent = events.filter(({ n }) => n !== null).map(({ epoch, n }) => [epoch, n] as const)
  expect(new Set(sent.map(String)).size, 'nothing from below is stored twice').toBe(sent.length)
}
