/**
 * The session's `~/.gitconfig` (mode 0600): who commits, and the way to the repository. `origin` shows the ordinary
 * address; git itself goes through the gateway's door with the session's token, which is worth nothing elsewhere.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../host/replaceFile.ts'

export type GitAccess = {
  repository: { url: string; doorUrl: string }
  author: { name: string; email: string }
  token: string
}

export function writeGitConfig(home: string, { repository, author, token }: GitAccess): void {
  mkdirSync(home, { recursive: true })
  const sections = [
    section('user', { name: author.name, email: author.email }),
    section('init', { defaultBranch: 'main' }),
    section('advice', { detachedHead: 'false' }),
    section('push', { default: 'current' }),
    // The workspace may belong to another id outside of a user namespace.
    section('safe', { directory: '*' }),
  ]
  for (const [door, insteadOf] of waysThroughDoor(repository))
    sections.push(section(`url ${quoted(door)}`, { insteadOf }))
  if (/^https?:/.test(repository.doorUrl)) {
    const origin = `${new URL(repository.doorUrl).origin}/`
    sections.push(section(`http ${quoted(origin)}`, { extraHeader: `Authorization: Bearer ${token}`, proxy: '' }))
  }
  replaceFile(join(home, '.gitconfig'), sections.join(''))
}

/**
 * All of the repository's host, in the forms that people and submodules write: the gateway says what of it may be read.
 * A rule for the repository alone would fit others whose names begin with its own.
 */
function waysThroughDoor({ url, doorUrl }: GitAccess['repository']): [door: string, insteadOf: string][] {
  if (doorUrl === url) return []
  const { protocol, host, hostname, origin } = new URL(url)
  const path = `/git/${host}/`
  const at = doorUrl.indexOf(path)
  if (!/^https?:$/.test(protocol) || at < 0) return [[doorUrl, url]]
  const door = doorUrl.slice(0, at) + path
  return [`${origin}/`, `git@${hostname}:`, `ssh://git@${hostname}/`].map((address) => [door, address])
}

const section = (head: string, members: Record<string, string>): string =>
  `[${head}]\n${Object.entries(members)
    .map(([name, value]) => `\t${name} = ${quoted(value)}\n`)
    .join('')}`

/** Git's quoting: backslash and quote are escaped; a line break would end the value and is left out. */
const quoted = (value: string): string => `"${value.replace(/[\r\n\0]/g, '').replace(/[\\"]/g, '\\$&')}"`
