/** Tokens of markdown as the lexer makes them by itself, told from those that extensions of it could make. */
import type { MarkedToken, Token } from 'marked'

const types: ReadonlySet<string> = new Set([
  ...[
    'blockquote',
    'br',
    'checkbox',
    'code',
    'codespan',
    'def',
    'del',
    'em',
    'escape',
    'heading',
    'hr',
    'html',
    'image',
  ],
  ...['link', 'list', 'list_item', 'paragraph', 'space', 'strong', 'table', 'text'],
])

export const isKnown = (token: Token): token is MarkedToken => types.has(token.type)
