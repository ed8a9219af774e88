/**
 * Markdown that renders while it grows: block by block, of which only those are rendered that have changed. Invariant: it
 * makes elements of its own alone. HTML in it is text, images are links, and links lead out of the page or nowhere.
 */
import { memo, useMemo, useRef } from 'react'
import { BlockToken } from './BlockToken.tsx'
import { type Block, blocksOf, noBlocks } from './blocks.ts'
import styles from './Markdown.module.css'

export function Markdown({ text, isWhole }: { text: string; isWhole: boolean }) {
  const before = useRef(noBlocks)
  const read = useMemo(() => blocksOf(text, before.current, isWhole), [text, isWhole])
  before.current = read
  return (
    <div className={styles.markdown}>
      {read.blocks.map((block, i) => (
        <MarkdownBlock key={block.at} block={block} isSettled={isWhole || i < read.blocks.length - 1} />
      ))}
    </div>
  )
}

const MarkdownBlock = memo(function MarkdownBlock({ block, isSettled }: { block: Block; isSettled: boolean }) {
  return <BlockToken token={block.token} isSettled={isSettled} />
})
