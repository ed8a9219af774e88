import { expect, test } from 'vitest'
import { shortcutFor } from './shortcuts.ts'

const shortcuts = [
  { keys: 'g s', does: 'Sessions', path: '/' },
  { keys: 'n', does: 'New session', path: '/new' },
  { keys: 'g n', does: 'News', path: '/news' },
]

test.each([
  ['', 'n', '/new'],
  ['g', 's', '/'],
  ['g', 'n', '/news'],
  ['x', 'n', '/new'],
  ['', 's', undefined],
  ['', 'g', undefined],
])('%j and then %j leads to %s', (before, key, path) => {
  expect(shortcutFor(shortcuts, before, key)?.path).toBe(path)
})
