/** One block of markdown as elements. Every kind is named here; what is not known is shown as its text. */
import type { Token, Tokens } from 'marked'
import { inPlace } from '../../ui/inPlace.ts'
import { Scroll } from '../../ui/Scroll.tsx'
import { CodeBlock } from './CodeBlock.tsx'
import { Inline } from './Inline.tsx'
import { isKnown } from './known.ts'
import styles from './Markdown.module.css'

type Props = { token: Token; isSettled: boolean }

export function BlockToken({ token, isSettled }: Props) {
  if (!isKnown(token)) return <p>{token.raw}</p>
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'heading': {
      // The page has headings of its own above.
      const Heading = (['h3', 'h4', 'h5', 'h6', 'h6', 'h6'] as const)[token.depth - 1] ?? 'h6'
      return (
        <Heading>
          <Inline tokens={token.tokens} />
        </Heading>
      )
    }
    case 'paragraph':
      return (
        <p>
          <Inline tokens={token.tokens} />
        </p>
      )
    case 'code':
      return <CodeBlock code={token.text} language={token.lang?.split(/\s/)[0] ?? ''} isSettled={isSettled} />
    case 'blockquote':
      return (
        <blockquote>
          <BlockTokens tokens={token.tokens} isSettled={isSettled} />
        </blockquote>
      )
    case 'list':
      return <List token={token} isSettled={isSettled} />
    case 'hr':
      return <hr />
    case 'table':
      return <Table token={token} />
    case 'text':
      return token.tokens ? <Inline tokens={token.tokens} /> : <Inline tokens={[token]} />
    case 'html':
      return <p className={styles.asWritten}>{token.raw.trimEnd()}</p>
    default:
      return <Inline tokens={[token]} />
  }
}

function BlockTokens({ tokens, isSettled }: { tokens: Token[]; isSettled: boolean }) {
  return placed(tokens).map(({ at, item }) => <BlockToken key={at} token={item} isSettled={isSettled} />)
}

function List({ token, isSettled }: { token: Tokens.List; isSettled: boolean }) {
  const items = placed(token.items).map(({ at, item }) => (
    <li key={at} className={item.task ? styles.task : undefined}>
      {item.task && <input type="checkbox" checked={item.checked ?? false} readOnly disabled aria-label="Task" />}
      <BlockTokens tokens={item.tokens.filter(({ type }) => type !== 'checkbox')} isSettled={isSettled} />
    </li>
  ))
  return token.ordered ? <ol start={Number(token.start) || 1}>{items}</ol> : <ul>{items}</ul>
}

function Table({ token }: { token: Tokens.Table }) {
  const cells = (row: readonly Tokens.TableCell[]) =>
    inPlace(row).map(({ place, item: { header, align, tokens } }) => {
      const Cell = header ? 'th' : 'td'
      return (
        <Cell key={place} style={align ? { textAlign: align } : undefined}>
          <Inline tokens={tokens} />
        </Cell>
      )
    })
  return (
    <Scroll className={styles.table} label="Table">
      <table>
        <thead>
          <tr>{cells(token.header)}</tr>
        </thead>
        <tbody>
          {inPlace(token.rows).map(({ place, item }) => (
            <tr key={place}>{cells(item)}</tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

/** Where each begins, which names it while the text grows behind it. */
function placed<Item extends { raw: string }>(items: readonly Item[]): { at: number; item: Item }[] {
  let at = 0
  return items.map((item) => {
    const own = { at, item }
    at += item.raw.length + 1
    return own
  })
}
