import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { doorUrl, isSameRepository, repositoryAt, repositoryOf } from './doorUrl.ts'

describe('the door of a repository', () => {
  test.each([
    ['https://github.com/acme/app', '/git/github.com/acme/app.git'],
    ['https://gitlab.com/acme/tools/app', '/git/gitlab.com/acme/tools/app.git'],
    ['http://git.internal:8080/acme/app', '/git/git.internal:8080/acme/app.git'],
    ['file:///srv/repositories/app', '/git/file:/srv/repositories/app.git'],
    ['file:///srv/my%20app.git', '/git/file:/srv/my%20app.git.git'],
  ])('%s is at %s and is found there', (identity, path) => {
    expect(doorUrl(identity)).toBe(path)
    expect(repositoryAt(path)).toEqual(repositoryOf(identity))
  })

  test('is found again for any name', () => {
    const name = fc
      .string({ minLength: 1, unit: 'grapheme' })
      .filter((text) => /^[^/\\\p{Cc}]+$/u.test(text) && !/^\.+$/.test(text))
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
        const identity = `file:///${names.map(encodeURIComponent).join('/')}`
        expect(repositoryAt(doorUrl(identity))).toEqual({ kind: 'local', path: `/${names.join('/')}` })
      }),
    )
  })

  test('is found without .git for a remote one, as a rule for a whole host gives it', () => {
    expect(repositoryAt('/git/github.com/acme/app')).toEqual(repositoryOf('https://github.com/acme/app'))
  })

  test.each([
    '/git/github.com/acme/../other/app.git',
    '/git/github.com/acme/%2e%2e/other.git',
    '/git/github.com/acme%2fapp.git',
    '/git/github.com/acme%5capp.git',
    '/git/github.com//acme/app.git',
    '/git/github.com/acme/%00.git',
    '/git/github.com/acme/%zz.git',
    '/git/file:/srv/../etc.git',
    '/git/file:/srv/app',
    '/git/GitHub.com/acme/app.git',
    '/git/127.1/acme/app.git',
    '/git/user@github.com/acme/app.git',
    '/git/github.com',
    '/v1/models',
  ])('%s is none', (path) => {
    expect(repositoryAt(path)).toBeNull()
  })

  test('a local repository and one of a host are never the same', () => {
    expect(isSameRepository(repositoryOf('file:///acme/app'), repositoryOf('https://file/acme/app'))).toBe(false)
  })

  test('what is no identity is an error', () => {
    expect(() => doorUrl('ssh://github.com/acme/app')).toThrow('is no identity of a repository')
  })
})
