/**
 * The answer to an agent that warms up: one word in the stream of the wire that it was asked by. It comes from here
 * alone, so nothing is asked of an upstream, nothing is counted, and no budget is touched.
 */
import type { ServerResponse } from 'node:http'
import { warmUpModel } from '@corral/protocol'
import { readModelRequest } from './modelRequest.ts'
import type { Wire } from './upstreams.ts'

export function asksForWarmUp(body: Buffer): boolean {
  // Looked for first, since a conversation's body is large and hardly ever this one.
  if (!body.includes(warmUpModel)) return false
  const asked = readModelRequest(body)
  return asked.kind === 'valid' && asked.model === warmUpModel
}

export function answerWarmUp(response: ServerResponse, wire: Wire): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end(streams[wire])
}

const word = 'Warm.'
const id = 'corral-warm-up'

/** By the event's type, as the clients of these wires want it. */
const named = (events: ({ type: string } & Record<string, unknown>)[]): string =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')

const chunk = (choice: object): string =>
  `data: ${JSON.stringify({
    ...{ id, object: 'chat.completion.chunk', created: 0, model: warmUpModel },
    choices: [{ index: 0, ...choice }],
  })}\n\n`

const item = { id: 'msg_warm_up', type: 'message', role: 'assistant' }
const text = { type: 'output_text', text: word, annotations: [] }
const answered = { id, object: 'response', created_at: 0, model: warmUpModel }
const place = { item_id: item.id, output_index: 0, content_index: 0 }

const streams: Readonly<Record<Wire, string>> = {
  'openai-chat': [
    chunk({ delta: { role: 'assistant', content: word }, finish_reason: null }),
    chunk({ delta: {}, finish_reason: 'stop' }),
    'data: [DONE]\n\n',
  ].join(''),
  'openai-responses': named([
    { type: 'response.created', response: { ...answered, status: 'in_progress', output: [] } },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...place, part: { ...text, text: '' } },
    { type: 'response.output_text.delta', ...place, delta: word },
    { type: 'response.output_text.done', ...place, text: word },
    { type: 'response.content_part.done', ...place, part: text },
    { type: 'response.output_item.done', output_index: 0, item: { ...item, status: 'completed', content: [text] } },
    {
      type: 'response.completed',
      response: {
        ...{ ...answered, status: 'completed', output: [{ ...item, status: 'completed', content: [text] }] },
        usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0 },
      },
    },
  ]),
  anthropic: named([
    {
      type: 'message_start',
      message: {
        ...{ id, type: 'message', role: 'assistant', model: warmUpModel, content: [], stop_reason: null },
        ...{ stop_sequence: null, usage: { input_tokens: 0, output_tokens: 0 } },
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 0 } },
    { type: 'message_stop' },
  ]),
}
