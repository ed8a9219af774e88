import { expect, test } from 'vitest'
import { visible } from './visible.ts'

test('a name cannot pretend to be another', () => {
  expect(visible('invoice\u202efdp.exe')).toBe('invoice⟨U+202E⟩fdp.exe')
  expect(visible('a\u200bb\nc\u0000')).toBe('a⟨U+200B⟩b⟨U+000A⟩c⟨U+0000⟩')
  expect(visible('a\tb ä 日本 🦬')).toBe('a\tb ä 日本 🦬')
})
