/**
 * A document as an HTTP answer: piece by piece, as the client takes it. When the reading breaks, or nobody takes
 * anything for long, the connection is cut: without its last bracket it is no JSON, so nobody takes it for the whole.
 */
import type { Logger } from 'pino'
import type { ExportStream } from '../../sessions/transcript/export.ts'

/** Small pieces travel together. */
const chunkBytes = 64 * 1024
/** Below the time after which the database ends a snapshot that nobody uses. */
const stallMs = 45_000

export function streamedExport({ seq, pieces }: ExportStream, logger: Logger): Response {
  let stalled: NodeJS.Timeout | undefined
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(stalled)
      try {
        const chunk = await nextChunk(pieces)
        if (chunk === null) return controller.close()
        stalled = setTimeout(() => {
          controller.error(new Error('the client takes nothing any more'))
          void pieces.return()
        }, stallMs).unref()
        controller.enqueue(chunk)
      } catch (error) {
        logger.warn({ err: error }, 'an export broke off')
        controller.error(error)
      }
    },
    async cancel() {
      clearTimeout(stalled)
      await pieces.return()
    },
  })
  return new Response(body, {
    headers: { 'content-type': 'application/json; charset=utf-8', 'x-corral-seq': String(seq) },
  })
}

/** Null at the end. */
async function nextChunk(pieces: ExportStream['pieces']): Promise<Buffer | null> {
  const collected: Buffer[] = []
  let bytes = 0
  while (bytes < chunkBytes) {
    const { done, value } = await pieces.next()
    if (done) break
    const piece = Buffer.from(value)
    collected.push(piece)
    bytes += piece.length
  }
  return collected.length === 0 ? null : Buffer.concat(collected)
}
