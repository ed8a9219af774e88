/** Captured in one checkout and restored into a fresh clone: whatever an agent may have left there. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkpointLimits } from '@corral/protocol'
import { describe, expect, it } from 'vitest'
import { createRepository, git } from '../testing/repository.ts'
import { CannotCapture } from './bareGit.ts'
import { type CapturedWorkspace, captureWorkspace } from './captureWorkspace.ts'
import { CannotRestore, restoreWorkspace } from './restoreWorkspace.ts'

const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', GIT_CONFIG_GLOBAL: '/dev/null' }
const author = ['-c', 'user.name=Agent', '-c', 'user.email=agent@example.com']
const signal = new AbortController().signal

function place(
  files: Record<string, string> = { 'readme.md': 'Hello\n', 'src/a.txt': 'a\n', '.gitignore': 'build/\n' },
) {
  const root = mkdtempSync(join(tmpdir(), 'corral-work-'))
  const origin = createRepository(join(root, 'origin.git'), files)
  const workspace = join(root, 'workspace')
  git(root, 'clone', '--quiet', '--template=', origin, workspace)
  git(workspace, 'checkout', '--quiet', '-b', 'session/one')
  const base = Object.keys(files).length > 0 ? git(workspace, 'rev-parse', 'HEAD') : 'none'
  return {
    root,
    origin,
    workspace,
    base,
    write(path: string, content: string | Buffer) {
      mkdirSync(join(workspace, path, '..'), { recursive: true })
      writeFileSync(join(workspace, path), content)
    },
    async capture() {
      const scratch = mkdtempSync(join(root, 'scratch-'))
      return captureWorkspace({ workspacePath: workspace, base, scratch, environment, signal })
    },
    async restore({ described, bundlePath }: CapturedWorkspace, options: { shallow?: boolean; from?: string } = {}) {
      const folder = join(mkdtempSync(join(root, 'fresh-')), 'workspace')
      const depth = options.shallow ? ['--depth', '1'] : []
      git(root, 'clone', '--quiet', '--template=', ...depth, `file://${options.from ?? origin}`, folder)
      await restoreWorkspace({ folder, described, bundlePath, shallow: options.shallow ?? false, environment, signal })
      return folder
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

const status = (folder: string) => git(folder, 'status', '--porcelain', '--untracked-files=all')

describe('a checkpoint of a workspace', () => {
  it('brings back commits, branches, the stash, what is staged, what is changed, new and deleted', async () => {
    using at = place()
    at.write('committed.txt', 'by the agent\n')
    git(at.workspace, 'add', '--all')
    git(at.workspace, ...author, 'commit', '--quiet', '-m', 'Work')
    git(at.workspace, 'branch', 'side/idea')
    at.write('readme.md', 'put away\n')
    git(at.workspace, ...author, 'stash', '--quiet')
    at.write('src/a.txt', 'staged\n')
    git(at.workspace, 'add', 'src/a.txt')
    at.write('src/a.txt', 'staged and changed again\n')
    at.write('new/deep/file.txt', 'new\n')
    at.write('build/ignored.o', 'ignored')
    at.write('build/but-tracked.txt', 'added by force\n')
    git(at.workspace, 'add', '--force', 'build/but-tracked.txt')
    rmSync(join(at.workspace, 'readme.md'))
    at.write('run.sh', '#!/bin/sh\n')
    chmodSync(join(at.workspace, 'run.sh'), 0o755)

    const captured = await at.capture()
    expect(captured.leftOut).toEqual([])
    const folder = await at.restore(captured)
    expect(status(folder)).toBe(status(at.workspace))
    for (const args of [
      ['symbolic-ref', 'HEAD'],
      ['rev-parse', 'HEAD', 'side/idea', 'stash@{0}'],
      ['diff'],
      ['diff', '--cached'],
    ]) {
      expect(git(folder, ...args), args.join(' ')).toBe(git(at.workspace, ...args))
    }
    expect(readFileSync(join(folder, 'new/deep/file.txt'), 'utf8')).toBe('new\n')
    expect(statSync(join(folder, 'run.sh')).mode & 0o111).toBe(0o111)
    expect(existsSync(join(folder, 'build/ignored.o'))).toBe(false)
    expect(readdirSync(join(folder, '.git', 'refs')).sort()).toEqual(['heads', 'remotes', 'stash', 'tags'])
    expect(git(folder, 'fsck', '--no-dangling', '--connectivity-only')).toBe('')
  })

  it('leaves the workspace itself as it was', async () => {
    using at = place()
    at.write('new.txt', 'new\n')
    const state = () =>
      execFileSync('sh', ['-c', 'find . -type f | sort | xargs sha256sum'], { cwd: at.workspace }).toString()
    const before = state()
    await at.capture()
    expect(state()).toBe(before)
  })

  it('is the same for the same state, and knows nothing of the machine', async () => {
    using at = place()
    at.write('new.txt', 'new\n')
    const [first, second] = [await at.capture(), await at.capture()]
    expect(second.described).toEqual(first.described)
    expect(readFileSync(second.bundlePath)).toEqual(readFileSync(first.bundlePath))
  })

  it('works for a detached head, for a repository without a commit, and for a shallow clone behind the branch', async () => {
    using detached = place()
    git(detached.workspace, 'checkout', '--quiet', '--detach')
    const captured = await detached.capture()
    expect(captured.described).toMatchObject({ branch: null, head: detached.base })
    const again = await detached.restore(captured)
    expect(git(again, 'rev-parse', '--abbrev-ref', 'HEAD')).toBe('HEAD')

    using empty = place({})
    empty.write('first.txt', 'first\n')
    const scratch = mkdtempSync(join(empty.root, 'scratch-'))
    const base = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
    const nothing = await captureWorkspace({ workspacePath: empty.workspace, base, scratch, environment, signal })
    expect(nothing.described).toMatchObject({ branch: 'session/one', head: null, base: null })
    const fresh = await empty.restore(nothing)
    expect(git(fresh, 'symbolic-ref', 'HEAD')).toBe('refs/heads/session/one')
    expect(status(fresh)).toBe('?? first.txt')

    using moved = place()
    moved.write('mine.txt', 'mine\n')
    const work = await moved.capture()
    git(moved.workspace, 'checkout', '--quiet', 'main')
    git(moved.workspace, ...author, 'commit', '--quiet', '--allow-empty', '-m', 'Others go on')
    git(moved.workspace, 'push', '--quiet', 'origin', 'main')
    const shallow = await moved.restore(work, { shallow: true })
    expect(git(shallow, 'rev-parse', 'HEAD')).toBe(moved.base)
    expect(status(shallow)).toBe('?? mine.txt')
  })

  it('keeps what is staged to the head where that is in the middle of a merge, and the files as they lie', async () => {
    using at = place()
    for (const [branch, text] of [
      ['left', 'left\n'],
      ['right', 'right\n'],
    ] as const) {
      git(at.workspace, 'checkout', '--quiet', '-B', branch, at.base)
      at.write('src/a.txt', text)
      git(at.workspace, ...author, 'commit', '--quiet', '--all', '-m', branch)
    }
    expect(() => git(at.workspace, ...author, 'merge', 'left')).toThrow()
    const captured = await at.capture()
    expect(captured.leftOut).toEqual(['what is staged in the middle of a merge'])
    const folder = await at.restore(captured)
    expect(readFileSync(join(folder, 'src/a.txt'), 'utf8')).toContain('<<<<<<<')
  })

  it('says so when the repository has lost what the work builds on', async () => {
    using at = place()
    using other = place({ 'else.md': 'Another history\n' })
    const captured = await at.capture()
    await expect(at.restore(captured, { from: other.origin })).rejects.toThrow(CannotRestore)
  })
})

describe('hostile content', () => {
  it('has no filter, hook, monitor or configuration of the workspace run when it is captured', async () => {
    using at = place()
    const evil = join(at.root, 'evil.sh')
    const ran = join(at.root, 'ran')
    writeFileSync(evil, `#!/bin/sh\necho "$0 $*" >>${ran}\ncat\n`)
    chmodSync(evil, 0o755)
    for (const [name, value] of [
      ['core.fsmonitor', evil],
      ['core.hooksPath', at.root],
      ['filter.evil.clean', evil],
      ['filter.evil.smudge', evil],
      ['filter.evil.process', evil],
      ['core.sshCommand', evil],
      ['core.pager', evil],
      ['diff.external', evil],
      ['core.attributesFile', join(at.root, 'attributes')],
      ['gpg.program', evil],
      ['commit.gpgSign', 'true'],
    ] as const) {
      git(at.workspace, 'config', name, value)
    }
    writeFileSync(join(at.root, 'attributes'), '* filter=evil\n')
    at.write('.gitattributes', '* filter=evil diff=evil\n')
    at.write('new.txt', 'as it is\r\n')
    const captured = await at.capture()
    expect(existsSync(ran), existsSync(ran) ? readFileSync(ran, 'utf8') : '').toBe(false)
    const folder = await at.restore(captured)
    expect(readFileSync(join(folder, 'new.txt'), 'utf8')).toBe('as it is\r\n')
    expect(git(folder, 'config', '--list', '--local')).not.toContain('evil')
  })

  it('is written byte for byte, whatever the attributes say of line ends', async () => {
    using at = place({ 'readme.md': 'Hello\n', '.gitattributes': '* text=auto eol=crlf\n*.bin -text\n' })
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    at.write('lines.txt', 'one\r\ntwo\nthree\r\n')
    at.write('every.bin', every)
    at.write('readme.md', 'Mine\nMine\r\n')
    const folder = await at.restore(await at.capture())
    for (const name of ['lines.txt', 'every.bin', 'readme.md']) {
      expect(readFileSync(join(folder, name)), name).toEqual(readFileSync(join(at.workspace, name)))
    }
  })

  it('links stay links and lead nobody out: what they point at is neither read nor written', async () => {
    using at = place()
    const outside = join(at.root, 'outside')
    mkdirSync(outside)
    writeFileSync(join(outside, 'secret.txt'), 'a secret of the host')
    symlinkSync(join(outside, 'secret.txt'), join(at.workspace, 'link.txt'))
    symlinkSync(outside, join(at.workspace, 'folder'))
    symlinkSync('/etc/passwd', join(at.workspace, 'src/passwd'))
    // A folder of the repository has become a link, and its file must not be written through it.
    rmSync(join(at.workspace, 'src/a.txt'))
    symlinkSync('../../outside/secret.txt', join(at.workspace, 'src/a.txt'))
    const captured = await at.capture()
    const folder = await at.restore(captured)
    expect(readFileSync(captured.bundlePath).includes('a secret of the host')).toBe(false)
    expect(readlinkSync(join(folder, 'folder'))).toBe(outside)
    expect(lstatSync(join(folder, 'src/a.txt')).isSymbolicLink()).toBe(true)
    expect(readdirSync(outside)).toEqual(['secret.txt'])
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('a secret of the host')
  })

  it('odd names come back, what is no file does not, and neither harms the rest', async () => {
    using at = place()
    const names = [
      'a b\'$(touch x)".txt',
      '-rf',
      'new\nline',
      'tab\t',
      '\u{1f600}',
      `${'n'.repeat(250)}.txt`,
      ':(top)x',
      'git~1',
      'C:\\x',
    ]
    for (const name of names) at.write(name, name)
    const latin = Buffer.concat([Buffer.from(join(at.workspace, 'latin-')), Buffer.from([0xe4, 0xff])])
    writeFileSync(latin, 'no text')
    linkSync(join(at.workspace, 'readme.md'), join(at.workspace, 'hard.md'))
    execFileSync('mkfifo', [join(at.workspace, 'pipe')])
    const captured = await at.capture()
    expect(captured.leftOut).toEqual([])
    const folder = await at.restore(captured)
    for (const name of names) expect(readFileSync(join(folder, name), 'utf8')).toBe(name)
    expect(readFileSync(Buffer.concat([Buffer.from(join(folder, 'latin-')), Buffer.from([0xe4, 0xff])]), 'utf8')).toBe(
      'no text',
    )
    expect(lstatSync(join(folder, 'hard.md')).nlink).toBe(1)
    expect(existsSync(join(folder, 'pipe'))).toBe(false)
  })

  it('a folder that calls itself .git, a repository inside and a file that is too large are left out by name', async () => {
    using at = place()
    git(at.workspace, 'init', '--quiet', 'inner')
    at.write('inner/file.txt', 'inner\n')
    git(at.workspace, 'init', '--quiet', 'deep/inner')
    git(join(at.workspace, 'deep/inner'), ...author, 'commit', '--quiet', '--allow-empty', '-m', 'Inner')
    at.write('.GIT/hooks/post-checkout', '#!/bin/sh\ntouch /tmp/never\n')
    at.write('large.bin', '')
    truncateSync(join(at.workspace, 'large.bin'), checkpointLimits.fileBytes + 1)
    at.write('kept.txt', 'kept\n')
    const captured = await at.capture()
    expect(captured.leftOut.sort()).toEqual([
      '.GIT/hooks/post-checkout (it cannot be read)',
      'deep/inner/ (a repository of its own)',
      'inner/ (a repository of its own)',
      'large.bin (256 MiB)',
    ])
    const folder = await at.restore(captured)
    expect(readdirSync(folder).sort()).toEqual(['.git', '.gitignore', 'kept.txt', 'readme.md', 'src'])
  })

  it('a repository that is broken on purpose cannot be captured, and says so', async () => {
    using at = place()
    const broken = [
      () => writeFileSync(join(at.workspace, '.git/index'), 'no index'),
      () => rmSync(join(at.workspace, '.git'), { recursive: true }),
      () => writeFileSync(join(at.workspace, '.git'), 'gitdir: /proc/self/environ\n'),
    ]
    for (const act of broken) {
      act()
      await expect(at.capture()).rejects.toThrow(CannotCapture)
    }
  })
})
