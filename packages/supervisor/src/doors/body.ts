/**
 * The body of a request that may have to be sent more than once: what has come in so far is kept, up to a bound, and
 * given again to whoever takes it next. Past the bound it can be given once only.
 */
import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'

const keptBytes = 16 * 1024 * 1024

export type RepeatableBody = {
  /** Sends all of it to `target`, from the beginning; whoever had it before gets no more. */
  sendTo(target: Writable): void
  /** False once more has gone out than is kept. */
  readonly repeatable: boolean
}

export function createBody(source: IncomingMessage): RepeatableBody {
  let kept: Buffer[] = []
  let bytes = 0
  let repeatable = true
  let complete = false
  let target: Writable | null = null

  source.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > keptBytes) {
      repeatable = false
      kept = []
    }
    if (repeatable) kept.push(chunk)
    if (target && !target.write(chunk)) source.pause()
  })
  source.on('end', () => {
    complete = true
    target?.end()
  })
  source.pause()

  return {
    get repeatable() {
      return repeatable
    },
    sendTo(next) {
      target = next
      next.on('drain', () => {
        if (target === next) source.resume()
      })
      for (const chunk of kept) next.write(chunk)
      if (complete) next.end()
      else source.resume()
    },
  }
}
