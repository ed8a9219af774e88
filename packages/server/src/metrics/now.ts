/**
 * What is so now: read from the database and from the parts of the server when somebody asks. Figures are asked for most
 * when something is broken, so what cannot be read within 2 s is told as down, and the rest is told all the same.
 */
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { Gauge, type Registry } from 'prom-client'

/** What the gateway, a process of its own, says of itself; null when none is there. */
export type GatewayFigures = {
  activeCalls: number
  /** Since it was started. */
  calls: readonly { kind: string; outcome: string; count: number }[]
}

export type Now = {
  pool: Pick<Pool, 'query'>
  viewers(): number
  links(): number
  gateway(): Promise<GatewayFigures | null>
  logger: Pick<Logger, 'warn'>
}

const answerMs = 2_000

/** Those of which there is none are told, too. Indexes: execution_open, callback_open; sandboxes are few. */
const states = {
  executions: ['queued', 'running'],
  callbacks: ['waiting', 'pending'],
  sandboxes: ['stopped', 'starting', 'ready', 'unreachable', 'stopping'],
} as const
const whats = ['executions', 'callbacks', 'sandboxes'] as const satisfies (keyof typeof states)[]
type What = (typeof whats)[number]
const countSql = `
  select 'executions' as what, state, count(*) from execution where state in ('queued', 'running') group by state
  union all select 'callbacks', state, count(*) from callback where state in ('waiting', 'pending') group by state
  union all select 'sandboxes', state, count(*) from sandbox group by state`

/** Gives the way to bring the gauges up to now. */
export function addGaugesOfNow(registry: Registry, now: Now): () => Promise<void> {
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const byState = (name: string, help: string) => new Gauge({ name, help, labelNames: ['state'], registers })

  const counted: Record<What, Gauge<'state'>> = {
    executions: byState('corral_executions', 'Executions that have not ended.'),
    callbacks: byState('corral_callbacks', 'Callbacks that are owed and neither delivered nor given up.'),
    sandboxes: byState('corral_sandboxes', 'Sandboxes by state.'),
  }
  const databaseUp = gauge('corral_database_up', '1 when the database answers.')
  const viewers = gauge('corral_viewers', 'Open streams of sessions.')
  const links = gauge('corral_supervisor_links', 'Connected supervisors.')
  const gatewayUp = gauge('corral_gateway_up', '1 when the gateway answers.')
  const activeCalls = gauge('corral_gateway_active_calls', 'Calls that the gateway serves now.')
  const calls = new Gauge({
    name: 'corral_gateway_calls',
    help: 'Calls through the gateway since it was started, by kind and by the class of their status.',
    labelNames: ['kind', 'outcome'],
    registers,
  })

  async function countStates(): Promise<void> {
    const answer = await asked(() => now.pool.query<{ what: What; state: string; count: number }>(countSql))
    databaseUp.set(answer ? 1 : 0)
    for (const what of whats) {
      counted[what].reset()
      if (answer) for (const state of states[what]) counted[what].set({ state }, 0)
    }
    for (const { what, state, count } of answer?.rows ?? []) counted[what].set({ state }, count)
  }

  async function askGateway(): Promise<void> {
    const figures = await asked(now.gateway)
    gatewayUp.set(figures ? 1 : 0)
    activeCalls.set(figures?.activeCalls ?? 0)
    calls.reset()
    for (const { kind, outcome, count } of figures?.calls ?? []) calls.set({ kind, outcome }, count)
  }

  /** Null when it failed or came too late. */
  async function asked<T>(question: () => Promise<T>): Promise<T | null> {
    const late = new Promise<null>((resolve) => setTimeout(resolve, answerMs, null).unref())
    const answer = question().catch((error: unknown) => {
      now.logger.warn({ error }, 'figures could not be read')
      return null
    })
    return Promise.race([answer, late])
  }

  return async () => {
    viewers.set(now.viewers())
    links.set(now.links())
    await Promise.all([countStates(), askGateway()])
  }
}
