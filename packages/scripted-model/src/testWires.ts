/** For the tests: each wire's request for a talk, and its answer brought to one shape. */
import { z } from 'zod'
import type { Wire } from './controlSchema.ts'

type Talk = { user: string; system?: string; toolResults?: string[]; tools?: boolean }
type Answer = {
  text: string
  thought: string
  calls: { name: string; arguments: string }[]
  inputTokens: number
  outputTokens: number
}

export type TestWire = {
  wire: Wire
  path: string
  request: (talk: Talk) => object
  /** One event of a stream, or a whole answer. */
  read: (data: unknown, into: Answer) => void
}

const schema = { type: 'object', properties: { command: { type: 'string' } } }
const offered = [{ name: 'bash', parameters: schema }]
const calls = (results: string[]) =>
  results.map((result, index) => ({ result, id: `call_${index}`, name: 'bash', input: {} }))

const chatMessage = z.looseObject({
  content: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  tool_calls: z
    .array(
      z.looseObject({
        index: z.number().optional(),
        function: z.looseObject({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .nullish(),
})
const chat = z.looseObject({
  choices: z.array(z.looseObject({ delta: chatMessage.optional(), message: chatMessage.optional() })),
  usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
})

const tokens = z.looseObject({ input_tokens: z.number().optional(), output_tokens: z.number().optional() })
const block = z.looseObject({
  type: z.string(),
  name: z.string().optional(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  partial_json: z.string().optional(),
  input: z.unknown().optional(),
})
const messages = z.looseObject({
  type: z.string(),
  content: z.array(block).optional(),
  content_block: block.optional(),
  delta: block.omit({ type: true }).optional(),
  message: z.looseObject({ usage: tokens }).optional(),
  usage: tokens.optional(),
})

const item = z.looseObject({
  type: z.string(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  content: z.array(z.looseObject({ text: z.string() })).optional(),
  summary: z.array(z.looseObject({ text: z.string() })).optional(),
})
const finished = z.looseObject({ output: z.array(item), usage: tokens })
const responses = z.looseObject({
  type: z.string().optional(),
  delta: z.string().optional(),
  response: z.unknown().optional(),
  output: z.unknown().optional(),
})

const addUsage = (into: Answer, usage: z.infer<typeof tokens> | undefined): void => {
  into.inputTokens = usage?.input_tokens ?? into.inputTokens
  into.outputTokens = usage?.output_tokens ?? into.outputTokens
}

export const testWires: TestWire[] = [
  {
    wire: 'chat',
    path: '/v1/chat/completions',
    request: ({ user, system, toolResults = [], tools }) => ({
      stream_options: { include_usage: true },
      messages: [
        ...(system ? [{ role: 'system', content: system }] : []),
        { role: 'user', content: [{ type: 'text', text: user }] },
        ...calls(toolResults).flatMap(({ result, id }) => [
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id, type: 'function', function: { name: 'bash', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: id, content: result },
        ]),
      ],
      ...(tools && { tools: offered.map((tool) => ({ type: 'function', function: tool })) }),
    }),
    read: (data, into) => {
      const { choices, usage } = chat.parse(data)
      for (const { delta, message } of choices) {
        const part = delta ?? message
        into.text += part?.content ?? ''
        into.thought += part?.reasoning_content ?? ''
        for (const { function: call } of part?.tool_calls ?? []) {
          if (call.name !== undefined) into.calls.push({ name: call.name, arguments: '' })
          const last = into.calls.at(-1)
          if (last) last.arguments += call.arguments
        }
      }
      addUsage(into, { input_tokens: usage?.prompt_tokens, output_tokens: usage?.completion_tokens })
    },
  },
  {
    wire: 'messages',
    path: '/v1/messages',
    request: ({ user, system, toolResults = [], tools }) => ({
      max_tokens: 1000,
      ...(system && { system }),
      messages: [
        { role: 'user', content: user },
        ...calls(toolResults).flatMap(({ result, id, name, input }) => [
          { role: 'assistant', content: [{ type: 'tool_use', id, name, input }] },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: id, content: result },
              { type: 'text', text: '<system-reminder>Mind the list.</system-reminder>' },
            ],
          },
        ]),
      ],
      ...(tools && { tools: offered.map(({ name, parameters }) => ({ name, input_schema: parameters })) }),
    }),
    read: (data, into) => {
      const event = messages.parse(data)
      for (const part of event.content ?? [event.content_block, event.delta]) {
        if (!part) continue
        into.text += part.text ?? ''
        into.thought += part.thinking ?? ''
        if (part.type === 'tool_use')
          into.calls.push({ name: part.name ?? '', arguments: event.content ? JSON.stringify(part.input) : '' })
        const last = into.calls.at(-1)
        if (last) last.arguments += part.partial_json ?? ''
      }
      addUsage(into, event.message?.usage)
      addUsage(into, event.usage)
    },
  },
  {
    wire: 'responses',
    path: '/v1/responses',
    request: ({ user, system, toolResults = [], tools }) => ({
      ...(system && { instructions: system }),
      input: [
        { role: 'user', content: [{ type: 'input_text', text: user }] },
        ...calls(toolResults).flatMap(({ result, id, name }) => [
          { type: 'function_call', call_id: id, name, arguments: '{}' },
          { type: 'function_call_output', call_id: id, output: result },
        ]),
      ],
      ...(tools && { tools: offered.map((tool) => ({ type: 'function', ...tool })) }),
    }),
    read: (data, into) => {
      const event = responses.parse(data)
      if (event.type === 'response.output_text.delta') into.text += event.delta ?? ''
      if (event.type === 'response.reasoning_summary_text.delta') into.thought += event.delta ?? ''
      const whole = finished.safeParse(event.type === 'response.completed' ? event.response : data)
      if (!whole.success) return
      // The end repeats the whole answer; it must say the same as the deltas.
      const { output, usage } = whole.data
      into.text = output.map(({ content }) => content?.map(({ text }) => text).join('') ?? '').join('')
      into.thought = output.map(({ summary }) => summary?.map(({ text }) => text).join('') ?? '').join('')
      into.calls = output.flatMap(({ type, name = '', arguments: json = '' }) =>
        type === 'function_call' ? [{ name, arguments: json }] : [],
      )
      addUsage(into, usage)
    },
  },
]

export const emptyAnswer = (): Answer => ({ text: '', thought: '', calls: [], inputTokens: 0, outputTokens: 0 })
