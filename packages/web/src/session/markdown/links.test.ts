import { describe, expect, test } from 'vitest'
import { safeAddress, withoutEntities } from './links.ts'

describe('an address', () => {
  test.each(['https://example.com/a?b#c', 'http://example.com/', 'mailto:a@example.com'])(
    'that may be followed: %s',
    (href) => {
      expect(safeAddress(href)).toBe(href)
    },
  )

  test.each([
    ...[
      'javascript:alert(1)',
      ' JavaScript:alert(1)',
      'java\nscript:alert(1)',
      'data:text/html,<script>',
      'file:///etc/passwd',
    ],
    ...['vbscript:x', 'blob:https://a/b', '/settings', '//evil.example', '#top', '', 'about:blank', 'ftp://a/b'],
  ])('that leads nowhere: %j', (href) => {
    expect(safeAddress(href)).toBeNull()
  })
})

test('entities are the characters that they stand for, and nothing else', () => {
  expect(withoutEntities('a &lt;b&gt; &amp;amp; &#65;&#x42; &nope; &')).toBe('a <b> &amp; AB &nope; &')
  expect(withoutEntities('&#0;&#x110000;')).toBe('\ufffd\ufffd')
})
