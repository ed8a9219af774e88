/**
 * What the world sees of where a session lies: its workspace is a virtual folder, and nothing else of the sandbox has a
 * place. Structured members are projected; free text (prompts, tool output, diffs) is shown as it is. Invariant: no
 * structured member of a projected value holds a path of the sandbox or a `file:` URL. Source: 31 (c) "Public projection".
 */

/** Where a session lies, and where it is said to lie. */
export type PublicPlace = {
  workspacePath: string
  home: string
  /** `/cloud-agent/sessions/<id>`. */
  directory: string
}

/** As JSON has them. */
export type Members = Record<string, unknown>

export type Projected = {
  value: Members
  /** Places of the sandbox that were in members which hold none as far as we know; they are replaced all the same. */
  leftovers: number
}

/** Text for people or models, wherever it stands. */
const freeText = new Set([
  'text',
  'output',
  'raw',
  'content',
  'command',
  'prompt',
  'oldString',
  'newString',
  'patch',
  'patchText',
  'diff',
  'before',
  'after',
  'description',
  'message',
  'question',
  'header',
  'label',
  'delta',
  'system',
  'body',
  'responseBody',
  'preview',
  'snippet',
  'error',
])

/** What holds paths: a string, a list of strings, or both. */
const paths = new Set([
  'directory',
  'cwd',
  'root',
  'worktree',
  'workdir',
  'path',
  'paths',
  'file',
  'files',
  'filePath',
  'filepath',
  'filename',
  'parentDir',
  'loaded',
  'patterns',
  'always',
  'visibleFiles',
  'openTabs',
  'activeFile',
])

/** A message, part, ask, or the properties of an event. The value itself stays as it is. */
export function projected(value: Members, { workspacePath, home, directory }: PublicPlace): Projected {
  let leftovers = 0

  const holdsPlace = (given: string) => given.includes(workspacePath) || given.includes(home)
  const withoutPlaces = (given: string) => given.replaceAll(workspacePath, directory).replaceAll(home, directory)

  function path(given: string): string {
    if (isFileUrl(given)) return ''
    if (isWithin(given, workspacePath)) return directory + given.slice(workspacePath.length)
    // A pattern may be a command with paths in it.
    return given.startsWith('/') ? directory : withoutPlaces(given)
  }

  /** Of a member that is not known: a whole path, or words among which is one. */
  function unknown(given: string): string {
    if (isFileUrl(given) || isWithin(given, workspacePath)) return path(given)
    if (!holdsPlace(given)) return given
    leftovers += 1
    return withoutPlaces(given)
  }

  function member(name: string, inner: unknown): unknown {
    if (typeof inner === 'string') {
      if (freeText.has(name)) return inner
      return paths.has(name) ? path(inner) : unknown(inner)
    }
    if (Array.isArray(inner)) return inner.map((item) => member(name, item))
    return typeof inner === 'object' && inner !== null ? membersOf(inner) : inner
  }

  /** Names of members can be paths, too, as in the diagnostics of an edit. */
  const membersOf = (of: object): Members =>
    Object.fromEntries(Object.entries(of).map(([name, inner]) => [unknown(name), member(name, inner)]))

  const projectedValue = membersOf(value)
  return { value: projectedValue, leftovers }
}

const isFileUrl = (text: string) => /^file:/i.test(text)
const isWithin = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`)
