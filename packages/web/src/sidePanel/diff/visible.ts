/**
 * Text as it is, not as it wants to look: characters that turn the direction of what follows, are not seen, or move the
 * cursor are written as their code. Names and lines come from agents and repositories. Pure.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

export const visible = (text: string): string =>
  text.replace(unseen, (character) => (character === '\t' ? character : `⟨U+${codeOf(character)}⟩`))

const codeOf = (character: string) => (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
