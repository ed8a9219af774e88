/**
 * Makes `output` events of what a program prints: text without control sequences, in pieces of whole lines where
 * there are lines, at most 256 KiB per program.
 */
import { StringDecoder } from 'node:string_decoder'
import { stripVTControlCharacters } from 'node:util'

const pieceCharacters = 16 * 1024
const mostCharacters = 256 * 1024
const flushAfterMs = 100

type Source = 'stdout' | 'stderr'
export type OutputSink = (content: string, source: Source) => void

export function createOutput(sink: OutputSink): { write(chunk: Buffer, source: Source): void; end(): void } {
  const streams = { stdout: createStream('stdout'), stderr: createStream('stderr') }
  let left = mostCharacters

  function createStream(source: Source) {
    return { decoder: new StringDecoder('utf8'), pending: '', timer: undefined as NodeJS.Timeout | undefined, source }
  }

  function send(text: string, source: Source): void {
    const content = stripVTControlCharacters(text)
    if (content === '' || left <= 0) return
    const kept = content.slice(0, left)
    left -= kept.length
    sink(left > 0 ? kept : `${kept}\n[more output is not kept]\n`, source)
  }

  /** Up to the last line's end, so that no control sequence is cut in two; all of it at the end. */
  function flush(stream: (typeof streams)[Source], all: boolean): void {
    clearTimeout(stream.timer)
    stream.timer = undefined
    const long = stream.pending.length > pieceCharacters
    const cut = all || long ? stream.pending.length : stream.pending.lastIndexOf('\n') + 1
    const ready = stream.pending.slice(0, cut)
    stream.pending = stream.pending.slice(cut)
    for (let at = 0; at < ready.length; at += pieceCharacters)
      send(ready.slice(at, at + pieceCharacters), stream.source)
  }

  return {
    write(chunk, source) {
      const stream = streams[source]
      stream.pending += stream.decoder.write(chunk)
      if (stream.pending.length >= pieceCharacters) return flush(stream, false)
      stream.timer ??= setTimeout(() => flush(stream, false), flushAfterMs)
    },
    end() {
      for (const stream of Object.values(streams)) {
        stream.pending += stream.decoder.end()
        flush(stream, true)
      }
    },
  }
}
