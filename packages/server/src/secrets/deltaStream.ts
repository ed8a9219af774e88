/**
 * The text of one part (or one output) as it comes in pieces. A piece is given back once nothing in it can be the
 * beginning of a secret any more; what a secret covers is cut out of all pieces that it lies in.
 */
import { cutOut } from './cutOut.ts'
import { withoutLineBreaks } from './forms.ts'
import { addRegion, initialState, type Matcher, type Region } from './matcher.ts'

export type DeltaStream = {
  /** Pieces become ready, with what may be shown of them, by calls of `show` during this or a later call. */
  feed(text: string, show: (shown: string) => void): void
  /** All of the text so far was shown in another way; what comes goes on from it. */
  follow(text: string): void
  /** No more comes soon: all is shown, but for an end that is most of a secret. */
  expire(): void
  /** A piece waits. */
  holds(): boolean
  /** Nothing is remembered. */
  isIdle(): boolean
}

/** Places count characters from the stream's beginning, without line breaks. */
type Piece = { text: string; start: number; end: number; show(shown: string): void }

export function createDeltaStream(matcher: Matcher): DeltaStream {
  let state = initialState
  let at = 0
  /** Up to here all has been shown. */
  let shown = 0
  let pieces: Piece[] = []
  let regions: Region[] = []

  function found(region: Region): void {
    const last = regions.at(-1)
    const goesOn = last !== undefined && last.end > region.start
    // Its beginning was shown, unmarked: the mark stands for the rest.
    addRegion(regions, goesOn ? region : { ...region, start: Math.max(region.start, shown) })
  }

  /** Shows the pieces that end at or before `until`. */
  function showUntil(until: number): void {
    while (pieces[0] && pieces[0].end <= until) {
      const { text, start, end, show } = pieces[0]
      pieces = pieces.slice(1)
      shown = end
      show(
        cutOut(
          text,
          regions.filter((region) => region.end > start && region.start < end),
          start,
        ),
      )
    }
    // The last region may still grow.
    regions = regions.filter((region, i) => region.end > shown || i === regions.length - 1)
  }

  return {
    feed(text, show) {
      const plain = withoutLineBreaks(text)
      const scanned = matcher.scan(plain, state)
      for (const { start, end } of scanned.regions) found({ start: at + start, end: at + end })
      state = scanned.state
      pieces.push({ text, start: at, end: at + plain.length, show })
      at += plain.length
      // What is cut out already needs not wait, even if it also begins another secret.
      showUntil(Math.max(at - matcher.depth(state), regions.at(-1)?.end ?? 0))
    },
    follow(text) {
      const plain = withoutLineBreaks(text)
      state = matcher.scan(plain, initialState).state
      at = plain.length
      shown = at
      regions = []
    },
    expire() {
      if (matcher.isLikely(state)) found({ start: at - matcher.depth(state), end: at })
      showUntil(at)
    },
    holds: () => pieces.length > 0,
    isIdle: () => pieces.length === 0 && matcher.depth(state) === 0,
  }
}
