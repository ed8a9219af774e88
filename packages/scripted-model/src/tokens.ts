/**
 * Cuts a scenario's source into tokens. A quoted text is one token and may span lines; so is everything between a pair
 * of braces, kept as source for whoever reads it. A blank line, or a line that begins with `<`, ends the scenario,
 * because agents append reminders of their own to a prompt.
 */
export type Token =
  | { kind: 'text'; value: string }
  | { kind: 'word'; value: string }
  | { kind: 'block'; value: string }
  | { kind: 'separator' }

export class ScenarioError extends Error {}

const quoted = /"(?:[^"\\]|\\[\s\S])*"/y
const ending = /[ \t]*\r?\n(?=[ \t]*(?:\r?\n|<|$))/y
const separator = /[ \t]*(?:\||\r?\n)/y
const spaces = /[ \t]+/y
const word = /[^\s"|{}]+/y

export const tokenize = (source: string): Token[] => {
  const tokens: Token[] = []
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(source)?.[0]
    at += found?.length ?? 0
    return found
  }
  while (at < source.length) {
    if (match(ending) !== undefined) return tokens
    if (match(separator) !== undefined) {
      tokens.push({ kind: 'separator' })
      continue
    }
    if (match(spaces) !== undefined) continue
    const text = match(quoted)
    if (text !== undefined) {
      tokens.push({ kind: 'text', value: unquote(text) })
      continue
    }
    if (source[at] === '{') {
      const end = endOfBlock(source, at)
      tokens.push({ kind: 'block', value: source.slice(at + 1, end - 1) })
      at = end
      continue
    }
    const bare = match(word)
    if (bare === undefined)
      throw new ScenarioError(`cannot read ${excerpt(source, at)}: a quote or brace has no partner`)
    tokens.push({ kind: 'word', value: bare })
  }
  return tokens
}

/** The escapes are those of JSON; a line break may also stand for itself. */
const unquote = (text: string): string => {
  try {
    return String(JSON.parse(text.replaceAll('\r', '\\r').replaceAll('\n', '\\n').replaceAll('\t', '\\t')))
  } catch (cause) {
    throw new ScenarioError(`the text ${text} has an escape that JSON does not know`, { cause })
  }
}

const endOfBlock = (source: string, start: number): number => {
  let depth = 0
  for (let at = start; at < source.length; at++) {
    const character = source[at]
    if (character === '{') depth++
    else if (character === '}') depth--
    else if (character === '"') {
      quoted.lastIndex = at
      const text = quoted.exec(source)?.[0]
      if (text === undefined) break
      at += text.length - 1
    }
    if (depth === 0) return at + 1
  }
  throw new ScenarioError(`the brace at ${excerpt(source, start)} is never closed`)
}

const excerpt = (source: string, at: number): string => `"${source.slice(at, at + 30)}"`
