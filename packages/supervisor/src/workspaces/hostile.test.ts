/** What a workspace may hold when its agent means harm, or just means well in an unusual way. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createBench } from '../testing/bench.ts'
import { type Checkout, createCheckout } from '../testing/checkout.ts'
import { prepareParams } from '../testing/commands.ts'
import { createRepository, git as look } from '../testing/repository.ts'
import { readDiff } from './diff.ts'

let origin: string
let workspace: string
let folder: Checkout['folder']
let git: Checkout['git']
let finalize: Checkout['finalize']
beforeEach(() => {
  ;({ folder, origin, workspace, git, finalize } = createCheckout())
})
afterEach(() => folder.remove())

const diff = () => readDiff(git(), workspace, look(workspace, 'rev-parse', 'HEAD'))

const pushed = [
  expect.objectContaining({ kind: 'commit', success: true }),
  expect.objectContaining({ kind: 'push', success: true }),
]

describe('files of a workspace', () => {
  const odd = [
    ...['line\nbreak', 'tab\there', '-rf', '--output=x', ':(exclude)all', ':100644 100644 0 0 M', 'quote"\'`$(id)'],
    ...[
      '\u001b[2J\u202e.txt',
      'ends with space ',
      '*',
      '\\',
      'x'.repeat(255),
      `${`${'d'.repeat(200)}/`.repeat(15)}end`,
    ],
  ]

  it('have any name there can be, in the diff and in what is pushed', async () => {
    for (const name of odd) {
      mkdirSync(join(workspace, name, '..'), { recursive: true })
      writeFileSync(join(workspace, name), `${name.length}\n`)
    }
    const found = await diff()
    expect(found?.files.map(({ path }) => path).toSorted()).toEqual(odd.toSorted())
    expect(found?.files.every(({ status, additions }) => status === 'added' && additions === 1)).toBe(true)
    expect(await finalize()).toEqual(pushed)
    const names = look(origin, 'ls-tree', '-r', '-z', '--name-only', 'session/one').split('\0')
    expect(names).toEqual(expect.arrayContaining(odd))
  }, 20_000)

  it('may have a name that is no text', async () => {
    const name = Buffer.from([0x61, 0xff, 0xfe, 0x62])
    writeFileSync(Buffer.concat([Buffer.from(`${workspace}/`), name]), 'bytes\n')
    expect((await diff())?.files).toMatchObject([{ path: 'a\ufffd\ufffdb', status: 'added', additions: 1 }])
    expect(await finalize()).toEqual(pushed)
    const tree = execFileSync('git', ['-C', origin, 'ls-tree', '-z', '--name-only', 'session/one'])
    expect(tree.includes(name)).toBe(true)
  })

  it('are pushed as the links they are, never as what these point to; what is no file stops nothing', async () => {
    writeFileSync(join(folder.path, 'private'), 'not of the workspace')
    symlinkSync(join(folder.path, 'private'), join(workspace, 'link'))
    symlinkSync(folder.path, join(workspace, 'folder'))
    execFileSync('mkfifo', [join(workspace, 'pipe')])
    expect((await diff())?.patch).not.toContain('not of the workspace')
    expect(await finalize()).toEqual(pushed)
    const tree = look(origin, 'ls-tree', '-r', 'session/one')
    expect(tree).toMatch(/^120000 blob \S+\tlink$/m)
    expect(tree).toMatch(/^120000 blob \S+\tfolder$/m)
    expect(tree).not.toContain('private')
  })
})

describe("git's configuration of a workspace", () => {
  const ran = () => readdirSync(folder.path).filter((name) => name.startsWith('ran-'))
  /** A program that says that it ran. */
  const program = (name: string, then = '') => {
    const path = join(folder.path, `${name}.sh`)
    writeFileSync(path, `#!/bin/sh\ntouch "${folder.path}/ran-${name}"\n${then}\n`)
    chmodSync(path, 0o755)
    return path
  }

  it('names no program that makes up the diff', async () => {
    writeFileSync(join(workspace, '.gitattributes'), '* diff=made-up\n')
    look(workspace, 'config', 'diff.external', program('external'))
    look(workspace, 'config', 'diff.made-up.textconv', program('textconv', 'cat "$1"'))
    look(workspace, 'config', 'core.pager', program('pager'))
    look(workspace, 'config', 'alias.diff', `!${program('alias')}`)
    writeFileSync(join(workspace, 'readme.md'), 'changed\n')
    expect((await diff())?.patch).toContain('+changed')
    expect(ran()).toEqual([])
    // With git as people call it, the same configuration does.
    look(workspace, 'diff', '--ext-diff')
    expect(ran()).toEqual(['ran-external'])
  })

  it('may have a hook that never ends: the work is committed and pushed all the same', async () => {
    const hook = join(workspace, '.git/hooks/pre-commit')
    mkdirSync(join(hook, '..'), { recursive: true })
    writeFileSync(hook, `#!/bin/sh\ntouch "${folder.path}/ran-hook"\nexec sleep 600\n`)
    chmodSync(hook, 0o755)
    writeFileSync(join(workspace, 'readme.md'), 'changed\n')
    expect(await finalize({ timeouts: { stepMs: 3_000, pushMs: 10_000, messageMs: 5_000 } })).toEqual(pushed)
    expect(ran()).toEqual(['ran-hook'])
  })
})

it('a submodule whose address is a command is not followed when the repository is cloned', async () => {
  const marker = join(folder.path, 'ran-command')
  await using bench = await createBench()
  const app = createRepository(join(bench.root, 'app.git'))
  const author = join(folder.path, 'author')
  look(folder.path, 'clone', '--quiet', app, author)
  look(author, 'update-index', '--add', '--cacheinfo', `160000,${look(author, 'rev-parse', 'HEAD')},module`)
  const address = `ext::touch ${marker}`
  writeFileSync(join(author, '.gitmodules'), `[submodule "module"]\n  path = module\n  url = ${address}\n`)
  look(author, 'add', '.gitmodules')
  look(author, 'commit', '--quiet', '--message', 'a submodule')
  look(author, 'push', '--quiet', 'origin', 'HEAD')

  await bench.start()
  const environment = { GIT_ALLOW_PROTOCOL: 'ext:file:http' }
  await bench.server.call('session.prepare', prepareParams(bench, { environment }))
  expect((await bench.server.event('prepared', () => true)).data).toMatchObject({ ok: true })
  expect(existsSync(join(bench.workspacePath, '.gitmodules'))).toBe(true)
  expect(existsSync(marker)).toBe(false)

  const update = ['-C', bench.workspacePath, 'submodule', 'update', '--init']
  spawnSync('git', update, { env: { ...process.env, GIT_ALLOW_PROTOCOL: 'ext' } })
  expect(existsSync(marker)).toBe(true)
}, 20_000)
