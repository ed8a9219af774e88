/**
 * How long an event takes from the agent's own feed to the socket of a viewer, on disk in between: the same events heard
 * at both ends. And from the agent's hand, by the time that it wrote into a tool's or a text's beginning and end, and
 * from the model, from the release of a word that it holds back to the delta that carries it; each beside the same turn
 * of the same agent alone, heard on its own feed.
 */
import type { ScriptedModelControl } from '@corral/scripted-model'
import { z } from 'zod'
import { bash, gate, play, say } from '../e2e/harness/script.ts'
import { startAgents } from './agents.ts'
import { type Benchmark, byTurns, type Row, shares } from './benchmark.ts'
import { type Conversation, type Heard, type Listen, nowMs } from './conversation.ts'
import { type FeedInside, listenInside } from './feedInside.ts'
import { keyOf } from './feedKey.ts'

const steps = 20
const words = 50
const gateMs = 10_000

export const agentFeed: Benchmark = {
  name: 'agent-feed',
  async run() {
    await using agents = await startAgents()
    await using ours = await agents.ours(play(say('I am here.')))
    await using inside = await listenInside(agents.folder)
    await using bare = await agents.bare(play(say('I am here.')))
    const model = await agents.model()
    const added = samples()
    const events = { ours: samples(), bare: samples() }
    const deltas = { ours: samples(), bare: samples() }
    await byTurns({
      added: async () => (inside ? added.push(await watchFeed(ours, inside)) : 0),
      ours: async () => events.ours.push(await watchEvents(ours)),
      bare: async () => events.bare.push(await watchEvents(bare)),
      oursFromModel: async () => deltas.ours.push(await watchWords(ours, model)),
      bareFromModel: async () => deltas.bare.push(await watchWords(bare, model)),
    })
    return [
      ...(inside ? addedRows(added) : []),
      ...rows('agent → viewer', events.ours, { what: "the agent's own feed", of: events.bare }),
      ...rows('model → viewer', deltas.ours, { what: 'model → own feed', of: deltas.bare }),
    ]
  },
}

/** The first, of the warm-up, does not count. */
const samples = (): number[][] => []

const targetsMs = { median: 4, p99: 20 } as const

const addedRows = (added: number[][]): Row[] =>
  shares.map(({ name, of }) => ({
    what: `agent's feed → viewer, ${name}`,
    unit: 'ms',
    figures: of(added),
    target: { of: 'median', atMost: targetsMs[name] },
  }))

function rows(what: string, figures: number[][], reference: { what: string; of: number[][] }): Row[] {
  return shares.map(({ name, of }) => ({
    what: `${what}, ${name}`,
    unit: 'ms',
    figures: of(figures),
    reference: { what: reference.what, figures: of(reference.of) },
  }))
}

/** A turn of many short tool calls and of text at a pace. */
const turn = (): string =>
  play(...Array.from({ length: steps }, (_, i) => [`${say(`I take step ${i}.`)} pace 10ms`, bash(`echo ${i}`)]).flat())

/** The same events at both ends; what is told once for several is told of the last. */
async function watchFeed(conversation: Conversation, inside: FeedInside): Promise<number[]> {
  inside.take()
  const { heard } = await conversation.turn(turn())
  const onFeed = inside.take()
  return heard.flatMap(({ atMs, event }) => {
    const fedAtMs = onFeed.get(keyOf(event) ?? '')?.shift()
    return fedAtMs === undefined ? [] : [atMs - fedAtMs]
  })
}

async function watchEvents(conversation: Conversation): Promise<number[]> {
  const { heard } = await conversation.turn(turn())
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
