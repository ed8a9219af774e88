/** What breaks the engine's promises still is where it is to be broken, so that `--sabotage` shows something. */
import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rules } from '../checker.ts'
import { changed, repository } from './copy.ts'
import { type Sabotage, sabotages } from './sabotages.ts'

test.each(Object.entries<Sabotage>(sabotages))(
  '%s can be put into the sources, and they still can be read',
  async (_, { changes }) => {
    const files = new Map<string, string>()
    for (const change of changes) {
      const before = files.get(change.file) ?? (await readFile(join(repository, change.file), 'utf8'))
      files.set(change.file, changed(before, change))
    }
    for (const text of files.values()) expect(() => stripTypeScriptTypes(text)).not.toThrow()
  },
)

test('each is to be found by rules that there are', () => {
  for (const { foundBy } of Object.values<Sabotage>(sabotages))
    expect(rules).toEqual(expect.arrayContaining([...foundBy]))
})

test('what is not there, or is there twice, is refused', () => {
  const change = { file: 'x.ts', was: 'a', becomes: 'b' }
  expect(changed('xay', change)).toBe('xby')
  expect(() => changed('xy', change)).toThrow('x.ts does not have this once')
  expect(() => changed('aa', change)).toThrow('x.ts does not have this once')
})
