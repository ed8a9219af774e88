/**
 * A transcript as one JSON array, written while it is read. Invariants: what waits is a chunk, however large the transcript
 * is and however slowly it is taken; when the reading breaks the connection does, so a short array is never valid JSON.
 */
import type { MessageItem } from '../../../sessions/transcript/messages.ts'

const chunkCharacters = 64 * 1024

type Members = Record<string, unknown>

export function streamed(
  items: AsyncGenerator<MessageItem>,
  options: { shown(value: Members): Members; reset(): void; failed(error: unknown): void },
): Response {
  const { shown, reset, failed } = options
  const chunks = chunked(textOf(items, shown))
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = await chunks.next()
          if (!done) return controller.enqueue(encoder.encode(value))
        } catch (error) {
          failed(error)
          reset()
        }
        controller.close()
      },
      async cancel() {
        await chunks.return()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { 'content-type': 'application/json; charset=utf-8' } })
}

async function* textOf(
  items: AsyncGenerator<MessageItem>,
  shown: (value: Members) => Members,
): AsyncGenerator<string, void, undefined> {
  /** How the last message goes on. */
  let open: 'none' | 'without parts' | 'with parts' = 'none'
  yield '['
  for await (const item of items) {
    if (item.kind === 'message') {
      yield `${open === 'none' ? '' : ']},'}{"info":${JSON.stringify(shown(item.info))},"parts":[`
      open = 'without parts'
    } else {
      yield `${open === 'with parts' ? ',' : ''}${JSON.stringify(shown(item.part))}`
      open = 'with parts'
    }
  }
  yield open === 'none' ? ']' : ']}]'
}

async function* chunked(texts: AsyncGenerator<string>): AsyncGenerator<string, void, undefined> {
  let waiting = ''
  for await (const text of texts) {
    waiting += text
    if (waiting.length < chunkCharacters) continue
    yield waiting
    waiting = ''
  }
  if (waiting !== '') yield waiting
}
