import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { createFolder } from '../testing/folder.ts'
import { writeGitConfig } from './gitConfig.ts'

/** Where git goes for an address. */
function placeOf(address: string, repository: { url: string; doorUrl: string }): string {
  const folder = createFolder()
  try {
    writeGitConfig(folder.path, { repository, author: { name: 'Agent', email: 'agent@example.com' }, token: 'token' })
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder.path, GIT_CONFIG_NOSYSTEM: '1' }
    return execFileSync('git', ['ls-remote', '--get-url', address], { cwd: folder.path, env, encoding: 'utf8' }).trim()
  } finally {
    folder.remove()
  }
}

const door = 'http://127.0.0.1:4100/git'
const own = { url: 'https://git.example/acme/app', doorUrl: `${door}/git.example/acme/app.git` }

test.each([
  ['https://git.example/acme/app', `${door}/git.example/acme/app`],
  ['https://git.example/acme/app.git', `${door}/git.example/acme/app.git`],
  ['https://git.example/acme/app-two', `${door}/git.example/acme/app-two`],
  ['https://git.example/other/library.git', `${door}/git.example/other/library.git`],
  ['git@git.example:other/library.git', `${door}/git.example/other/library.git`],
  ['ssh://git@git.example/other/library.git', `${door}/git.example/other/library.git`],
  ['https://elsewhere.example/acme/app', 'https://elsewhere.example/acme/app'],
  ['https://git.example.evil/acme/app', 'https://git.example.evil/acme/app'],
])('%s is reached through the door where it is on the host of the session: %s', (address, place) => {
  expect(placeOf(address, own)).toBe(place)
})

test('a host with a port has its own door', () => {
  const repository = { url: 'http://git.example:8080/acme/app', doorUrl: `${door}/git.example:8080/acme/app.git` }
  expect(placeOf('http://git.example:8080/acme/library', repository)).toBe(`${door}/git.example:8080/acme/library`)
})

test('of a local repository there is one rule, for itself', () => {
  const repository = { url: 'file:///repositories/app', doorUrl: `${door}/file:/repositories/app.git` }
  expect(placeOf('file:///repositories/app', repository)).toBe(`${door}/file:/repositories/app.git`)
  expect(placeOf('file:///repositories/other', repository)).toBe('file:///repositories/other')
})
