/**
 * The one thing the gateway changes in what an MCP server says: an `sse` server names, in its first event, the place
 * that takes messages. Its path is replaced by one at the door; every other byte passes as it came.
 */

/** More than this before the first event ends is no stream of events. */
const maxHeadBytes = 64 * 1024

/** `pathOf` answers the path at the door, or null for a place that may not be called, which then stays as it is. */
export function createEndpointRewriter(pathOf: (endpoint: string) => string | null) {
  return async function* rewritten(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let head: string | null = ''
    for await (const chunk of chunks) {
      if (head === null) {
        yield chunk
        continue
      }
      // Latin-1 keeps every byte, so that what is cut in a character is whole again when it is written.
      head += chunk.toString('latin1')
      for (;;) {
        const end: RegExpExecArray | null = /\r?\n\r?\n|\r\r/.exec(head)
        if (!end) break
        const event: string = head.slice(0, end.index + end[0].length)
        const isEndpoint = /^event: ?endpoint\r?$/m.test(event)
        yield Buffer.from(isEndpoint ? withPlace(event, pathOf) : event, 'latin1')
        head = head.slice(event.length)
        if (!isEndpoint) continue
        yield Buffer.from(head, 'latin1')
        head = null
        break
      }
      if (head !== null && head.length > maxHeadBytes) {
        yield Buffer.from(head, 'latin1')
        head = null
      }
    }
    if (head) yield Buffer.from(head, 'latin1')
  }
}

const withPlace = (event: string, pathOf: (endpoint: string) => string | null): string =>
  event.replace(/^(data: ?)([^\r\n]*)$/m, (whole, field: string, endpoint: string) => {
    const path = pathOf(endpoint.trim())
    return path === null ? whole : `${field}${path}`
  })
