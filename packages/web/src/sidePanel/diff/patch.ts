/**
 * A unified diff of git as files, hunks and numbered lines: pure. Names are taken from git's own quoting and shown as
 * they are; a patch that was cut off in the middle gives what it has.
 */
export type DiffLine = {
  kind: 'context' | 'added' | 'removed'
  text: string
  oldNumber: number | null
  newNumber: number | null
  /** The file ends here, without a line break. */
  isUnended: boolean
}
export type Hunk = { heading: string; lines: DiffLine[] }
export type FilePatch = { path: string; oldPath: string | null; isBinary: boolean; hunks: Hunk[] }

export function parsePatch(patch: string): FilePatch[] {
  const files: FilePatch[] = []
  let file: FilePatch | null = null
  let hunk: Hunk | null = null
  let oldNumber = 0
  let newNumber = 0
  for (const line of patch.split('\n')) {
    // No line of a hunk begins with a letter.
    if (line.startsWith('diff --git ')) {
      file = { path: pathOfHeader(line), oldPath: null, isBinary: false, hunks: [] }
      hunk = null
      files.push(file)
      continue
    }
    if (!file) continue
    const heading: RegExpExecArray | null = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/.exec(line)
    if (heading) {
      oldNumber = Number(heading[1])
      newNumber = Number(heading[2])
      hunk = { heading: heading[3] ?? '', lines: [] }
      file.hunks.push(hunk)
      continue
    }
    if (!hunk) {
      readHeader(line, file)
      continue
    }
    const text = line.slice(1)
    const last = hunk.lines.at(-1)
    if (line.startsWith('+')) {
      hunk.lines.push({ kind: 'added', text, oldNumber: null, newNumber: newNumber++, isUnended: false })
    } else if (line.startsWith('-')) {
      hunk.lines.push({ kind: 'removed', text, oldNumber: oldNumber++, newNumber: null, isUnended: false })
    } else if (line.startsWith(' ')) {
      hunk.lines.push({ kind: 'context', text, oldNumber: oldNumber++, newNumber: newNumber++, isUnended: false })
    } else if (line.startsWith('\\') && last) {
      last.isUnended = true
    }
  }
  return files
}

function readHeader(line: string, file: FilePatch): void {
  const [, word = '', rest = ''] =
    /^(---|\+\+\+|rename from|rename to|Binary files|GIT binary patch)(?: (.*))?$/s.exec(line) ?? []
  switch (word) {
    case '+++':
      if (rest !== '/dev/null') file.path = withoutSide(unquoted(rest))
      break
    case '---':
      // Of a file that is gone, its name is here alone.
      if (rest !== '/dev/null') file.path = withoutSide(unquoted(rest))
      break
    case 'rename from':
      file.oldPath = unquoted(rest)
      break
    case 'rename to':
      file.path = unquoted(rest)
      break
    case 'Binary files':
    case 'GIT binary patch':
      file.isBinary = true
  }
}

/** Of files without hunks: `a/x b/x`, both sides the same. */
function pathOfHeader(line: string): string {
  const names = line.slice('diff --git '.length)
  const quoted = /^".*" (".*")$/.exec(names)?.[1]
  if (quoted !== undefined) return withoutSide(unquoted(quoted))
  return withoutSide(names.slice(0, (names.length - 1) / 2))
}

/** Git puts a tab behind a name with spaces. */
const withoutSide = (name: string) => name.replace(/^[ab]\//, '').replace(/\t$/, '')

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 }

/** Git quotes names as C does, byte by byte. */
function unquoted(name: string): string {
  const inner = /^"(.*)"\t?$/s.exec(name)?.[1]
  if (inner === undefined) return name
  const encoder = new TextEncoder()
  const bytes = [...inner.matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gs)].flatMap(([, octal, escaped, plain]) => {
    if (octal !== undefined) return [Number.parseInt(octal, 8)]
    if (escaped !== undefined) return [escapes[escaped] ?? escaped.charCodeAt(0)]
    return [...encoder.encode(plain)]
  })
  return new TextDecoder().decode(Uint8Array.from(bytes))
}
