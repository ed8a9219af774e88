import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createFolder } from '../testing/folder.ts'
import { removeTree } from './removeTree.ts'

/** Modes stop everybody but root, so root is somebody else here; in a sandbox nobody is root. */
const nobody = 65_534
let folder: ReturnType<typeof createFolder>
let tree: string
beforeEach(() => {
  folder = createFolder()
  tree = join(folder.path, 'tree')
  if (process.geteuid?.() === 0) {
    chownSync(folder.path, nobody, nobody)
    process.seteuid?.(nobody)
  }
  mkdirSync(tree)
})
afterEach(() => {
  if (process.getuid?.() === 0) process.seteuid?.(0)
  folder.remove()
})

it('removes what was made read-only, as caches of modules are', () => {
  mkdirSync(join(tree, 'module'))
  writeFileSync(join(tree, 'module/source'), '', { mode: 0o444 })
  mkdirSync(join(tree, 'closed/inner'), { recursive: true })
  for (const name of ['module', 'closed/inner', 'closed']) chmodSync(join(tree, name), name === 'module' ? 0o555 : 0)
  expect(() => rmSync(tree, { recursive: true })).toThrow(/EACCES|EPERM|ENOTEMPTY/)
  removeTree(tree)
  expect(existsSync(tree)).toBe(false)
})

it('leaves alone what links in it point to', () => {
  const outside = join(folder.path, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'kept'), 'kept')
  chmodSync(outside, 0o500)
  mkdirSync(join(tree, 'closed'))
  symlinkSync(outside, join(tree, 'closed/link'))
  chmodSync(join(tree, 'closed'), 0o500)
  removeTree(tree)
  expect(existsSync(tree)).toBe(false)
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('kept')
  chmodSync(outside, 0o700)
})
