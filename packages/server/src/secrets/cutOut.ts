/** Puts the mark in the place of secrets. Never longer than what it replaces, so that no limit of a length is broken. */
import type { Region } from './matcher.ts'

/** As long as the shortest secret. */
export const mark = '[secret]'

/**
 * `regions` count the characters of `text` without its line breaks, from `offset` on. One that began before `offset` has
 * left its mark where it began; the others leave theirs here.
 */
export function cutOut(text: string, regions: readonly Region[], offset = 0): string {
  if (regions.length === 0) return text
  let result = ''
  let copied = 0
  let at = offset
  let i = 0
  for (const { start, end } of regions) {
    for (; i < text.length && (at < start || isLineBreak(text, i)); i++) if (!isLineBreak(text, i)) at += 1
    if (i === text.length) break
    result += text.slice(copied, i)
    if (start >= offset) result += mark
    let after = i
    for (; i < text.length && at < end; i++) {
      if (isLineBreak(text, i)) continue
      at += 1
      after = i + 1
    }
    i = after
    copied = after
  }
  return result + text.slice(copied)
}

function isLineBreak(text: string, i: number): boolean {
  const code = text.charCodeAt(i)
  return code === 10 || code === 13
}
