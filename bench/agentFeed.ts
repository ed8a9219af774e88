/**
 * How long an event takes from the agent's hand to the socket of a viewer, on disk in between: from the time that the
 * agent wrote into a tool's or a text's beginning and end. Beside it the same turn of the same agent alone, seen on its
 * own feed. And the same from the model: from the release of a word that it holds back to the delta that carries it.
 */
import type { ScriptedModelControl } from '@corral/scripted-model'
import { z } from 'zod'
import { bash, gate, play, say } from '../e2e/harness/script.ts'
import { startAgents } from './agents.ts'
import { type Benchmark, byTurns, median, percentile, type Row } from './benchmark.ts'
import { type Conversation, type Heard, type Listen, nowMs } from './conversation.ts'

const steps = 20
const words = 50
const gateMs = 10_000

export const agentFeed: Benchmark = {
  name: 'agent-feed',
  async run() {
    await using agents = await startAgents()
    await using ours = await agents.ours(play(say('I am here.')))
    await using bare = await agents.bare(play(say('I am here.')))
    const model = await agents.model()
    const events = { ours: samples(), bare: samples() }
    const deltas = { ours: samples(), bare: samples() }
    await byTurns({
      ours: async () => events.ours.push(await watchEvents(ours)),
      bare: async () => events.bare.push(await watchEvents(bare)),
      oursFromModel: async () => deltas.ours.push(await watchWords(ours, model)),
      bareFromModel: async () => deltas.bare.push(await watchWords(bare, model)),
    })
    return [
      ...rows('agent → viewer', events.ours, { what: "the agent's own feed", of: events.bare }),
      ...rows('model → viewer', deltas.ours, { what: 'model → own feed', of: deltas.bare }),
    ]
  },
}

/** The first, of the warm-up, does not count. */
const samples = (): number[][] => []

function rows(what: string, figures: number[][], reference: { what: string; of: number[][] }): Row[] {
  const shares = [
    { name: 'median', of: median },
    { name: 'p99', of: (all: number[]) => percentile(all, 0.99) },
  ]
  return shares.map((share) => ({
    what: `${what}, ${share.name}`,
    unit: 'ms',
    figures: figures.slice(1).map(share.of),
    reference: { what: reference.what, figures: reference.of.slice(1).map(share.of) },
  }))
}

/** A turn of many short tool calls and of text at a pace. */
async function watchEvents(conversation: Conversation): Promise<number[]> {
  const script = Array.from({ length: steps }, (_, i) => [`${say(`I take step ${i}.`)} pace 10ms`, bash(`echo ${i}`)])
  const { heard } = await conversation.turn(play(...script.flat()))
  return latencies(heard)
}

const span = z.object({ start: z.number(), end: z.number().optional() })
const timedPart = z.union([
  z.object({ id: z.string(), time: span }).transform(({ id, time }) => ({ id, time })),
  z
    .object({ id: z.string(), state: z.object({ time: span }) })
    .transform(({ id, state }) => ({ id, time: state.time })),
])

/** Of each beginning and end that the agent dated, how long after it was first heard of. */
function latencies(heard: readonly Heard[]): number[] {
  const seen = new Map<string, number>()
  for (const { atMs, event } of heard) {
    const part = event.type === 'message.part.updated' ? timedPart.safeParse(event.properties.part).data : undefined
    if (!part) continue
    for (const [which, ms] of Object.entries(part.time)) {
      const key = `${part.id} ${which}`
      if (ms !== undefined && !seen.has(key)) seen.set(key, atMs - ms)
    }
  }
  return [...seen.values()]
}

/** The model holds back each word until the one before has arrived. */
async function watchWords(conversation: Conversation, model: ScriptedModelControl): Promise<number[]> {
  await model.reset()
  const script = Array.from({ length: words }, (_, i) => [gate(`gate-${i}`), say(`word-${i} `)])
  const arrived = script.map(() => Promise.withResolvers<number>())
  const figures: number[] = []
  async function release(): Promise<void> {
    for (const [i, { promise }] of arrived.entries()) {
      await model.waitAtGate(`gate-${i}`, gateMs)
      const releasedAtMs = nowMs()
      await model.release(`gate-${i}`)
      figures.push((await promise) - releasedAtMs)
    }
  }
  const listen: Listen = ({ atMs, event }) => {
    if (event.type !== 'message.part.delta') return
    const [, i] = /word-(\d+)/.exec(String(event.properties.delta)) ?? []
    arrived[Number(i)]?.resolve(atMs)
  }
  await Promise.all([conversation.turn(play(say('Words: '), ...script.flat()), listen), release()])
  return figures
}
