/**
 * A growing markdown text as blocks. What has grown by a few characters is read again from its last blocks on; all blocks
 * before are the same objects as before, so that nobody renders them anew. Pure.
 */
import { lexer, type Token } from 'marked'

/** `at`: where it begins in the text, which names it for life. */
export type Block = { at: number; token: Token }
export type Blocks = { text: string; blocks: readonly Block[] }

export const noBlocks: Blocks = { text: '', blocks: [] }

/** A block may still change when the next one has begun, as a list does that goes on after an empty line. */
const unsettled = 2

/** `isWhole`: it grows no more, and is read once as a whole, since a link may be explained far below. */
export function blocksOf(given: string, before: Blocks, isWhole: boolean): Blocks {
  const text = given.replaceAll(/\r\n?/g, '\n')
  if (isWhole) return text === before.text ? keepEqual(before, lexed(text, 0)) : { text, blocks: lexed(text, 0) }
  if (text === before.text) return before
  const kept = text.startsWith(before.text) ? before.blocks.slice(0, Math.max(0, before.blocks.length - unsettled)) : []
  const last = kept.at(-1)
  const from = last ? last.at + last.token.raw.length : 0
  return { text, blocks: [...kept, ...lexed(text, from)] }
}

/** Empty lines are none; they belong to the block before. */
function lexed(text: string, from: number): Block[] {
  const blocks: Block[] = []
  let at = from
  for (const token of lexer(text.slice(from))) {
    const last = blocks.at(-1)
    if (token.type === 'space' && last)
      blocks[blocks.length - 1] = { ...last, token: { ...last.token, raw: last.token.raw + token.raw } }
    else blocks.push({ at, token })
    at += token.raw.length
  }
  return blocks
}

/** The same objects as before for blocks that are the same. */
function keepEqual({ text, blocks }: Blocks, whole: Block[]): Blocks {
  const known = new Map(blocks.map((block) => [block.at, block]))
  return {
    text,
    blocks: whole.map((block) => {
      const before = known.get(block.at)
      return before && JSON.stringify(before.token) === JSON.stringify(block.token) ? before : block
    }),
  }
}
