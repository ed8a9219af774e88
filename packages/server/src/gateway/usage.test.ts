import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createUsageMeter } from './usage.ts'

const stream = 'text/event-stream; charset=utf-8'

function usageOf(contentType: string | undefined, ...chunks: (string | Buffer)[]) {
  const meter = createUsageMeter(contentType)
  for (const chunk of chunks) meter.look(Buffer.from(chunk))
  return meter.usage()
}

test('of a chat: the last chunk, with cached tokens among those of the prompt', () => {
  expect(
    usageOf(
      stream,
      'data: {"choices":[{"delta":{"content":"\\"usage\\":"}}],"usage":null}\n\n',
      'data: {"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":64}}}\n\n',
      'data: [DONE]\n\n',
    ),
  ).toEqual({ promptTokens: 90, completionTokens: 7, cachedTokens: 64 })
})

test('of messages: the prompt in the first event, with what was cached beside it, and the answer in the last', () => {
  const start = {
    type: 'message_start',
    message: {
      usage: { input_tokens: 10, cache_read_input_tokens: 60, cache_creation_input_tokens: 5, output_tokens: 1 },
    },
  }
  const end = { type: 'message_delta', delta: {}, usage: { output_tokens: 42 } }
  const events = [start, end].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  expect(usageOf(stream, events)).toEqual({ promptTokens: 75, completionTokens: 42, cachedTokens: 60 })
})

test('of responses: the completed response', () => {
  const event = {
    type: 'response.completed',
    response: { usage: { input_tokens: 12, output_tokens: 3, input_tokens_details: { cached_tokens: 8 } } },
  }
  expect(usageOf(stream, `data: ${JSON.stringify(event)}\r\n\r\n`)).toEqual({
    promptTokens: 12,
    completionTokens: 3,
    cachedTokens: 8,
  })
})

test('of an answer that is not streamed', () => {
  expect(usageOf('application/json', '{"usage":{"prompt_tokens":1,', '"completion_tokens":2}}')).toEqual({
    promptTokens: 1,
    completionTokens: 2,
    cachedTokens: null,
  })
})

test('is the same wherever the chunks are cut', () => {
  const text = Buffer.from('data: {"text":"žluť 🐎"}\n\ndata: {"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\n')
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const ends = [...cuts.toSorted((a, b) => a - b), text.length]
      const chunks = ends.map((end, at) => text.subarray(ends[at - 1] ?? 0, end))
      expect(usageOf(stream, ...chunks)).toEqual({ promptTokens: 5, completionTokens: 6, cachedTokens: null })
    }),
  )
})

test('what is not reported, or is no number, is unknown and not zero', () => {
  const unknown = { promptTokens: null, completionTokens: null, cachedTokens: null }
  expect(usageOf(stream, 'data: {"choices":[]}\n\n')).toEqual(unknown)
  expect(usageOf(stream, 'data: {"usage":{"prompt_tokens":"many"}}\n\ndata: {"usage":\n\n')).toEqual(unknown)
  expect(usageOf('application/json', 'not json "usage"')).toEqual(unknown)
})

test('a line beyond all bounds is not held, and what comes after it is counted', () => {
  const meter = createUsageMeter(stream)
  const piece = Buffer.alloc(1024 * 1024, 'x')
  for (let sent = 0; sent < 20; sent++) meter.look(piece)
  meter.look(Buffer.from('\ndata: {"usage":{"prompt_tokens":1,"completion_tokens":1}}\n'))
  expect(meter.usage()).toMatchObject({ promptTokens: 1 })
})
