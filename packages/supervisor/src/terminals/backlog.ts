/**
 * What a terminal has written: what nobody has seen yet, and, before it, the end of what was seen. Invariants: unseen
 * bytes are never dropped and come out in order; of the seen ones no more than `seenBytes` are kept.
 */
export type Backlog = {
  push(chunk: Buffer): void
  /** The next bytes that nobody has seen, at most so many; null when there are none. */
  take(mostBytes: number): Buffer | null
  unseenBytes(): number
  /** Somebody new looks: what was seen is to be seen again. */
  rewind(): void
}

const newline = 0x0a

export function createBacklog(options: { seenBytes: number }): Backlog {
  let seen: Buffer[] = []
  let unseen: Buffer[] = []
  let seenLength = 0
  let unseenLength = 0
  /** What came before the first of `seen` is gone. */
  let isCut = false

  function keep(chunk: Buffer): void {
    seen.push(chunk)
    seenLength += chunk.length
    while (seenLength > options.seenBytes) {
      isCut = true
      const [first] = seen
      if (!first) return
      const surplus = seenLength - options.seenBytes
      if (first.length > surplus) seen[0] = first.subarray(surplus)
      else seen.shift()
      seenLength -= Math.min(first.length, surplus)
    }
  }

  return {
    push(chunk) {
      unseen.push(chunk)
      unseenLength += chunk.length
    },
    take(mostBytes) {
      const [first] = unseen
      if (!first) return null
      const taken = first.subarray(0, mostBytes)
      if (taken.length < first.length) unseen[0] = first.subarray(taken.length)
      else unseen.shift()
      unseenLength -= taken.length
      keep(taken)
      return taken
    },
    unseenBytes: () => unseenLength,
    rewind() {
      // From the beginning of a line on: half a line may begin in the middle of a character or a control sequence.
      const again = isCut ? fromNextLine(Buffer.concat(seen)) : Buffer.concat(seen)
      if (again.length > 0) unseen = [again, ...unseen]
      unseenLength += again.length
      seen = []
      seenLength = 0
      isCut = false
    },
  }
}

function fromNextLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(newline)
  return end < 0 ? bytes : bytes.subarray(end + 1)
}
