/** Colored code, cut into its lines: pure. */

/** A piece of code: its text, or a part with a name of highlight.js (`keyword`, `string`, …). */
type Shade = string | { name: string; children: readonly Shade[] }
/** `name` is that of the innermost part. */
export type Piece = { text: string; name: string | null }

export function shadedLines(shades: readonly Shade[]): Piece[][] {
  const lines: Piece[][] = [[]]
  function add(shade: Shade, name: string | null): void {
    if (typeof shade !== 'string') {
      for (const child of shade.children) add(child, shade.name)
      return
    }
    const [first = '', ...others] = shade.split('\n')
    if (first !== '') lines.at(-1)?.push({ text: first, name })
    for (const text of others) lines.push(text === '' ? [] : [{ text, name }])
  }
  for (const shade of shades) add(shade, null)
  return lines
}

/** As highlight.js names it, or by an alias; empty when the name of a file says nothing. */
export function languageOf(path: string): string {
  const name = path.split('/').at(-1)?.toLowerCase() ?? ''
  if (name === 'dockerfile' || name === 'makefile') return name
  const extension = /\.([a-z0-9+#]+)$/.exec(name)?.[1] ?? ''
  return other[extension] ?? extension
}

const other: Readonly<Record<string, string>> = { mts: 'ts', cts: 'ts', mjs: 'js', cjs: 'js', htm: 'html', yml: 'yaml' }
