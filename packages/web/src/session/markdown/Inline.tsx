/** What stands in a line of markdown, as elements. */
import type { Token } from 'marked'
import type { ReactNode } from 'react'
import { inPlace } from '../../ui/inPlace.ts'
import { isKnown } from './known.ts'
import { safeAddress, withoutEntities } from './links.ts'
import styles from './Markdown.module.css'

export function Inline({ tokens }: { tokens: readonly Token[] }): ReactNode {
  return inPlace(tokens).map(({ place, item }) => <InlineToken key={place} token={item} />)
}

function InlineToken({ token }: { token: Token }): ReactNode {
  if (!isKnown(token)) return token.raw
  switch (token.type) {
    case 'text':
      return token.tokens ? <Inline tokens={token.tokens} /> : withoutEntities(token.text)
    case 'escape':
      return withoutEntities(token.text)
    case 'strong':
      return (
        <strong>
          <Inline tokens={token.tokens} />
        </strong>
      )
    case 'em':
      return (
        <em>
          <Inline tokens={token.tokens} />
        </em>
      )
    case 'del':
      return (
        <del>
          <Inline tokens={token.tokens} />
        </del>
      )
    case 'codespan':
      return <code>{withoutEntities(token.text)}</code>
    case 'br':
      return <br />
    case 'link':
      return (
        <Leading href={token.href}>
          <Inline tokens={token.tokens} />
        </Leading>
      )
    case 'image':
      // It is not loaded: whoever wrote its address would learn who reads this, and when.
      return <Leading href={token.href}>Image: {withoutEntities(token.text) || 'without a name'}</Leading>
    default:
      return token.raw
  }
}

function Leading({ href, children }: { href: string; children: ReactNode }) {
  const address = safeAddress(withoutEntities(href))
  if (address === null) return <span className={styles.noLink}>{children}</span>
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow" title={address}>
      {children}
    </a>
  )
}
