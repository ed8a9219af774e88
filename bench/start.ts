/**
 * How long it takes until the model is asked, by its own record: from the start of a session that did not exist, with
 * its sandbox, its clone and its agent; and from a follow-up in that session. Beside it the bare agent: from the start
 * of its process, and from its next prompt.
 */
import type { ScriptedModelControl } from '@corral/scripted-model'
import { play, say } from '../e2e/harness/script.ts'
import { startAgents } from './agents.ts'
import { type Benchmark, byTurns, median } from './benchmark.ts'
import type { Begin, Turn } from './conversation.ts'

/** The figure of a run is their median. */
const followUps = 7

export const start: Benchmark = {
  name: 'start',
  async run() {
    await using agents = await startAgents()
    const { ours, bare, model } = agents
    const warm = { ours: [] as number[], bare: [] as number[] }
    const cold = await byTurns({
      ours: () => measure(ours, model, warm.ours),
      bare: () => measure(bare, model, warm.bare),
    })
    return [
      {
        what: 'start of a session → model',
        unit: 'ms',
        figures: cold.ours,
        reference: { what: 'bare agent, from its process', figures: cold.bare },
      },
      {
        what: 'follow-up → model',
        unit: 'ms',
        figures: warm.ours.slice(1),
        reference: { what: 'bare agent, next prompt', figures: warm.bare.slice(1) },
      },
    ]
  },
}

/** The cold start of one conversation; adds to `warm` what its follow-ups took. */
async function measure(begin: Begin, model: () => Promise<ScriptedModelControl>, warm: number[]): Promise<number> {
  const first = mark()
  await using conversation = await begin(first)
  const control = await model()
  const tookMs = async (prompt: string, { sentAtMs }: Turn) => (await askedAtMs(control, prompt)) - sentAtMs
  const figures: number[] = []
  for (let i = 0; i < followUps; i++) {
    const prompt = mark()
    figures.push(await tookMs(prompt, await conversation.turn(prompt)))
  }
  warm.push(median(figures))
  return tookMs(first, conversation.first)
}

/** A prompt that is found again. */
const mark = (): string => play(say(`It is ${crypto.randomUUID()}.`))

async function askedAtMs(model: ScriptedModelControl, prompt: string): Promise<number> {
  const asked = (await model.requests()).find(({ lastUserText }) => lastUserText.includes(prompt))
  if (!asked) throw new Error('The model has no record of a prompt that it answered.')
  return Date.parse(asked.at)
}
