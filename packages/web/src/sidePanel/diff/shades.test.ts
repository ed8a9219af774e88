import { expect, test } from 'vitest'
import { languageOf, shadedLines } from './shades.ts'

test('parts that go over several lines color each of them', () => {
  expect(shadedLines(['const ', { name: 'comment', children: ['/* a\n\nb */'] }, ' = 1\n'])).toEqual([
    [
      { text: 'const ', name: null },
      { text: '/* a', name: 'comment' },
    ],
    [],
    [
      { text: 'b */', name: 'comment' },
      { text: ' = 1', name: null },
    ],
    [],
  ])
})

test('a part inside another has its own color', () => {
  expect(shadedLines([{ name: 'string', children: ['`a', { name: 'subst', children: ['{b}'] }, '`'] }])).toEqual([
    [
      { text: '`a', name: 'string' },
      { text: '{b}', name: 'subst' },
      { text: '`', name: 'string' },
    ],
  ])
})

test('the language is told by the name of a file', () => {
  expect(['src/a.ts', 'x/Dockerfile', 'b.MJS', 'README', '.env', 'c.tar.gz'].map(languageOf)).toEqual([
    'ts',
    'dockerfile',
    'js',
    '',
    'env',
    'gz',
  ])
})
