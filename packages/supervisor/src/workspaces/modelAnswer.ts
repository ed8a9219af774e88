/**
 * One question to the session's model, without tools and without a stream, in the words of the wire that it speaks.
 * The gateway passes it on like any call of the agent.
 */
import type { ExecuteParams } from '@corral/protocol'
import { z } from 'zod'
import type { GatewayCalls } from '../doors/gatewayCalls.ts'

export type Model = Pick<ExecuteParams['model'], 'id' | 'wire'>

type Question = { instructions: string; text: string }

/** Enough for a model that thinks before it answers. */
const maxTokens = 4_000

/** Null when there is no answer with text; throws when there is none in time. */
export async function askModel(
  call: GatewayCalls,
  { model, question, timeoutMs, signal }: { model: Model; question: Question; timeoutMs: number; signal: AbortSignal },
): Promise<string | null> {
  const { path, bodyOf, textOf } = wires[model.wire]
  const { status, body } = await call({
    method: 'POST',
    path,
    body: { model: model.id, ...bodyOf(question) },
    timeoutMs,
    signal,
  })
  return status === 200 ? textOf(body) || null : null
}

type Wire = { path: string; bodyOf(question: Question): object; textOf(answer: unknown): string }

const chatAnswer = z.object({ choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }) })) })
const block = z.looseObject({ type: z.string(), text: z.string().optional() })
const messagesAnswer = z.object({ content: z.array(block) })
const responsesAnswer = z.object({ output: z.array(z.looseObject({ content: z.array(block).optional() })) })

const textsOf = (blocks: z.infer<typeof block>[], type: string): string =>
  blocks.map((one) => (one.type === type ? (one.text ?? '') : '')).join('')

const wires: Record<Model['wire'], Wire> = {
  'openai-chat': {
    path: '/v1/chat/completions',
    bodyOf: ({ instructions, text }) => ({
      messages: [
        { role: 'system', content: instructions },
        { role: 'user', content: text },
      ],
    }),
    textOf: (answer) => chatAnswer.safeParse(answer).data?.choices[0]?.message.content ?? '',
  },
  'openai-responses': {
    path: '/v1/responses',
    bodyOf: ({ instructions, text }) => ({ instructions, input: text, store: false }),
    textOf: (answer) =>
      textsOf(
        responsesAnswer.safeParse(answer).data?.output.flatMap(({ content = [] }) => content) ?? [],
        'output_text',
      ),
  },
  anthropic: {
    path: '/v1/messages',
    bodyOf: ({ instructions, text }) => ({
      max_tokens: maxTokens,
      system: instructions,
      messages: [{ role: 'user', content: text }],
    }),
    textOf: (answer) => textsOf(messagesAnswer.safeParse(answer).data?.content ?? [], 'text'),
  },
}
