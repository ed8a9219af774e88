import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { removeTree } from './removeTree.ts'

let folder: string
let tree: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'corral-remove-'))
  tree = join(folder, 'tree')
  mkdirSync(tree)
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a tree is removed that is deeper than any path may be long', async () => {
  const dig = 'chdir shift; for (1 .. 60) { mkdir "d" x 200 or die; chdir "d" x 200 or die } open my $f, ">", "end"'
  execFileSync('perl', ['-e', dig, tree])
  // By its whole path, the end cannot even be named.
  await expect(rm(tree, { recursive: true })).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
})

test('one that is interrupted can be removed by the next', async () => {
  for (let i = 0; i < 200; i++) mkdirSync(join(tree, `${i}`))
  await expect(removeTree(tree, AbortSignal.abort())).rejects.toThrow('aborted')
  expect(existsSync(tree)).toBe(true)
  const interrupting = new AbortController()
  const removal = removeTree(tree, interrupting.signal)
  interrupting.abort()
  await expect(removal).rejects.toThrow('aborted')
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
})

test('names that are no text, options, and as long as they may be do not matter', async () => {
  const names = [Buffer.from([0xff, 0xfe]), Buffer.from('-rf'), Buffer.from('line\nbreak'), Buffer.alloc(255, 'x')]
  for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), name]), '')
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
})

test('folders that nobody may enter do not matter', async () => {
  mkdirSync(join(tree, 'closed/inner'), { recursive: true })
  writeFileSync(join(tree, 'closed/inner/file'), '')
  chmodSync(join(tree, 'closed/inner'), 0)
  chmodSync(join(tree, 'closed'), 0o500)
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
})

test('what its links point to stays as it was', async () => {
  const outside = join(folder, 'outside')
  mkdirSync(outside, { mode: 0o500 })
  chmodSync(outside, 0o700)
  writeFileSync(join(outside, 'kept'), 'kept', { mode: 0o400 })
  symlinkSync(outside, join(tree, 'link'))
  mkdirSync(join(tree, 'closed'))
  symlinkSync(join(outside, 'kept'), join(tree, 'closed/link'))
  chmodSync(join(tree, 'closed'), 0)
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('kept')
})

test('what is not there is removed already', async () => {
  await removeTree(join(folder, 'never'))
})
