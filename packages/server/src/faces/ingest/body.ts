/**
 * Bodies of pushes, read as they come: one that is too large is refused at the byte that is too many, and all that are
 * read at the same time together hold a bounded amount of memory.
 */
import { CorralError, invalidInput, limits, MiB } from '@corral/protocol'

/** Of all bodies under way; their JSON takes a few times that for a moment. */
const heldBytes = 128 * MiB

export type PushBodies = {
  /** `body_too_large`; `unavailable` when too much is being read already; `invalid_input` when it is not JSON. */
  read(request: Request): Promise<unknown>
}

export function createPushBodies(): PushBodies {
  let held = 0

  async function collect(request: Request): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    try {
      for await (const chunk of request.body ?? []) {
        bytes += chunk.length
        if (bytes > limits.pushBytes) {
          throw new CorralError('body_too_large', { sentence: 'A push may have at most 32 MiB; send it in parts.' })
        }
        if (held + chunk.length > heldBytes) {
          throw new CorralError('unavailable', {
            sentence: 'Too much is being pushed right now; try again in a moment.',
          })
        }
        held += chunk.length
        chunks.push(chunk)
      }
      return Buffer.concat(chunks)
    } finally {
      held -= chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    }
  }

  return {
    async read(request) {
      const body = await collect(request)
      try {
        return JSON.parse(body.toString())
      } catch (error) {
        if (error instanceof SyntaxError) throw invalidInput('request', 'is not valid JSON')
        throw error
      }
    },
  }
}
