/**
 * Text of an agent, a repository or a model on a terminal. A hostile one would move the cursor, rewrite what was shown,
 * fill the clipboard, or turn the direction of the text; nothing of that gets through.
 */
import { stripVTControlCharacters } from 'node:util'

/** All but tabs and ends of lines. */
const controls = /[^\P{Cc}\n\t]|\p{Bidi_Control}/gu

/** Pieces of a text may be made safe one by one. */
export function safeText(text: string): string {
  return stripVTControlCharacters(text).replace(controls, '')
}

export function oneLine(text: string, limit = 100): string {
  const line = safeText(text).replace(/\s+/g, ' ').trim()
  // Whole characters, and one more than fits, which is enough to tell.
  const characters = Array.from(line.slice(0, 2 * limit + 2))
  return characters.length <= limit ? line : `${characters.slice(0, limit - 1).join('')}…`
}

/** JSON that says the same, and that a terminal takes for nothing but text. */
export function safeJson(value: unknown, indent?: number): string {
  const escaped = (control: string) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`
  // `JSON.stringify` has escaped all others, except the ends of its own lines.
  return JSON.stringify(value, null, indent).replace(controls, escaped)
}
