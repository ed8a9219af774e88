/**
 * A git of our own beside the workspace's: it reads the same objects and looks at the same files, and takes nothing else
 * from the repository that the agent works with, neither its configuration, nor its hooks, nor its attributes. So files
 * are taken and written byte for byte, and a filter or monitor that the agent has set up has no say.
 */
import { copyFileSync, existsSync, globSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createGit, type Git, line } from '../workspaces/git.ts'

export const boundMs = 20_000

/** No line ends, no filters, no `$Id$`: the bytes. Above what the repository's own files say. */
export const rawAttributes = '* -text -eol -crlf -filter -ident -working-tree-encoding\n'

/** Something is in the way that will be there the next time, too. */
export class CannotCapture extends Error {
  constructor(sentence: string) {
    super(sentence)
    this.name = 'CannotCapture'
  }
}

const config = (format: string): string => `[core]
\trepositoryformatversion = ${format === 'sha1' ? 0 : 1}
\tbare = false
\tfilemode = true
\tsymlinks = true
\thooksPath = /dev/null
\tfsmonitor = false
\tuntrackedCache = false
\tsplitIndex = false
\tprotectNTFS = false
\tprotectHFS = false
\tbigFileThreshold = 16m
\tcompression = 1
\tfsync = none
[extensions]
${format === 'sha1' ? '' : `\tobjectFormat = ${format}\n`}[pack]
\tthreads = 1
\tcompression = 1
[gc]
\tauto = 0
`

/** Who makes the commits that carry files; always the same, so that the same files make the same commit. */
const identity = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 'Corral'],
    [`GIT_${who}_EMAIL`, 'corral@localhost'],
    [`GIT_${who}_DATE`, '1000000000 +0000'],
  ]),
)

export type BareGit = {
  /** The workspace's own, for what it says of its references. */
  theirs: Git
  /** Ours, with two copies of the workspace's index: one to work with, one as it was. */
  run: Git
  staged: Git
}

/** Throws where there is no repository that git can read. */
export async function createBareGit(
  workspacePath: string,
  scratch: string,
  env: Record<string, string>,
): Promise<BareGit> {
  const theirs = createGit({ cwd: workspacePath, environment: env })
  const paths = await line(
    theirs,
    [
      ...['rev-parse', '--show-object-format', '--path-format=absolute', '--git-path', 'objects'],
      ...['--git-path', 'index', '--git-path', 'info/exclude'],
    ],
    { timeoutMs: boundMs },
  )
  const [format, objects, index, exclude] = paths?.split('\n') ?? []
  if (!format || !objects || !index || !exclude) throw new CannotCapture('There is no repository that git can read.')

  const folder = join(scratch, 'git')
  for (const name of ['objects/info', 'refs', 'info']) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, 'HEAD'), 'ref: refs/heads/corral-has-none\n')
  writeFileSync(join(folder, 'config'), config(format))
  writeFileSync(join(folder, 'objects/info/alternates'), `${objects}\n`)
  writeFileSync(join(folder, 'info/attributes'), rawAttributes)
  if (existsSync(exclude)) copyFileSync(exclude, join(folder, 'info/exclude'))
  // An index may be split in two; the larger part lies beside it.
  for (const name of globSync('sharedindex.*', { cwd: dirname(index) })) {
    copyFileSync(join(dirname(index), name), join(folder, name))
  }

  const withIndex = (name: string): Git => {
    const own = join(scratch, name)
    if (existsSync(index)) copyFileSync(index, own)
    const git = createGit({ cwd: workspacePath, environment: { ...env, ...identity } })
    const place = { GIT_DIR: folder, GIT_WORK_TREE: workspacePath, GIT_INDEX_FILE: own }
    return (args, options) => git(args, { ...options, environment: { ...place, ...options.environment } })
  }
  return { theirs, run: withIndex('index'), staged: withIndex('staged') }
}
