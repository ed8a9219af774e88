/**
 * How long it takes until the model is asked, by its own record, and until the agent's first word is here: from the start
 * of a session that did not exist, with its sandbox, its clone and its agent; from the initiation of one that was prepared;
 * and from a follow-up. Beside it the bare agent: from the start of its process, and from its next prompt.
 */
import type { ScriptedModelControl } from '@corral/scripted-model'
import { z } from 'zod'
import { play, say } from '../e2e/harness/script.ts'
import { startAgents } from './agents.ts'
import { type Benchmark, byTurns, median, type Row, type Target } from './benchmark.ts'
import type { Begin, Turn } from './conversation.ts'

/** The figure of a run is their median. */
const followUps = 7

export const start: Benchmark = {
  name: 'start',
  async run() {
    await using agents = await startAgents()
    const { ours, bare, prepared, model } = agents
    const taken = { ours: takes(), prepared: takes(), bare: takes() }
    await byTurns({
      ours: () => measure(ours, model, taken.ours),
      prepared: () => measure(prepared, model, taken.prepared),
      bare: () => measure(bare, model, taken.bare),
    })
    /** The first, of the warm-up, does not count. */
    const row = (
      what: string,
      figures: number[],
      reference: { what: string; figures: number[] },
      target?: Target,
    ): Row => ({
      ...{ what, unit: 'ms', figures: figures.slice(1), ...(target && { target }) },
      reference: { ...reference, figures: reference.figures.slice(1) },
    })
    const cold = 'bare agent, from its process'
    const next = { what: 'bare agent, next prompt', figures: taken.bare.warm }
    return [
      row('start of a session → model', taken.ours.toModel, { what: cold, figures: taken.bare.toModel }),
      row(
        'start of a session → first event',
        taken.ours.toEvent,
        { what: cold, figures: taken.bare.toEvent },
        atMost(1.1),
      ),
      row('initiation of a prepared session → model', taken.prepared.toModel, next, atMost(2)),
      row('follow-up → model', taken.ours.warm, next, { ...atMost(1.02), plus: 15 }),
    ]
  },
}

const atMost = (ratio: number): Target => ({ of: 'ratio', atMost: ratio })

/** Of the first turn of each conversation until the model and until the first event, and of its follow-ups. */
type Takes = { toModel: number[]; toEvent: number[]; warm: number[] }
const takes = (): Takes => ({ toModel: [], toEvent: [], warm: [] })

/** One conversation; adds to `taken`. */
async function measure(begin: Begin, model: () => Promise<ScriptedModelControl>, taken: Takes): Promise<number> {
  const first = mark()
  await using conversation = await begin(first)
  const control = await model()
  const tookMs = async (prompt: string, { sentAtMs }: Turn) => (await askedAtMs(control, prompt)) - sentAtMs
  const figures: number[] = []
  for (let i = 0; i < followUps; i++) {
    const prompt = mark()
    figures.push(await tookMs(prompt, await conversation.turn(prompt)))
  }
  taken.warm.push(median(figures))
  taken.toEvent.push(firstEventMs(conversation.first))
  const toModelMs = await tookMs(first, conversation.first)
  taken.toModel.push(toModelMs)
  return toModelMs
}

const assistantSchema = z.object({ info: z.object({ role: z.literal('assistant') }) })

/** The agent's own: the first that tells of its answer, not of what was asked. */
function firstEventMs({ sentAtMs, heard }: Turn): number {
  const first = heard.find(
    ({ event }) => event.type === 'message.updated' && assistantSchema.safeParse(event.properties).success,
  )
  if (!first) throw new Error('A turn has told nothing of its answer.')
  return first.atMs - sentAtMs
}

/** A prompt that is found again. */
const mark = (): string => play(say(`It is ${crypto.randomUUID()}.`))

async function askedAtMs(model: ScriptedModelControl, prompt: string): Promise<number> {
  const asked = (await model.requests()).find(({ lastUserText }) => lastUserText.includes(prompt))
  if (!asked) throw new Error('The model has no record of a prompt that it answered.')
  return Date.parse(asked.at)
}
