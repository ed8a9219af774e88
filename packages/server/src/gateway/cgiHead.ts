/** The head of a CGI answer (RFC 3875, 6): header lines, one of which may be `Status`, then the body as it comes. */
import type { Readable } from 'node:stream'

export type CgiAnswer = { status: number; headers: Record<string, string>; rest: AsyncIterable<Buffer> }

const maxHeadBytes = 16 * 1024
const headEnd = '\r\n\r\n'

/** Null when the program ended, or went on too long, without one. */
export async function readCgiHead(output: Readable): Promise<CgiAnswer | null> {
  const chunks: AsyncIterator<Buffer> = output.iterator()
  let read = Buffer.alloc(0)
  while (!read.includes(headEnd)) {
    const next = read.length < maxHeadBytes ? await chunks.next() : { done: true as const }
    if (next.done) return null
    read = Buffer.concat([read, next.value])
  }
  const end = read.indexOf(headEnd)
  const headers: Record<string, string> = {}
  for (const line of read.toString('latin1', 0, end).split('\r\n')) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const { status = '200', ...others } = headers
  const surplus = read.subarray(end + headEnd.length)
  return { status: Number.parseInt(status, 10), headers: others, rest: rejoined(surplus, chunks) }
}

/** What was read ahead, and the rest behind it. */
export async function* rejoined(ahead: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (ahead.length > 0) yield ahead
  yield* { [Symbol.asyncIterator]: () => chunks }
}
