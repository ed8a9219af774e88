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
  if (repository.doorUrl !== repository.url)
    sections.push(section(`url ${quoted(repository.doorUrl)}`, { insteadOf: repository.url }))
  if (/^https?:/.test(repository.doorUrl)) {
    const origin = `${new URL(repository.doorUrl).origin}/`
    sections.push(section(`http ${quoted(origin)}`, { extraHeader: `Authorization: Bearer ${token}`, proxy: '' }))
  }
  replaceFile(join(home, '.gitconfig'), sections.join(''))
}

const section = (head: string, members: Record<string, string>): string =>
  `[${head}]\n${Object.entries(members)
    .map(([name, value]) => `\t${name} = ${quoted(value)}\n`)
    .join('')}`

/** Git's quoting: backslash and quote are escaped; a line break would end the value and is left out. */
const quoted = (value: string): string => `"${value.replace(/[\r\n\0]/g, '').replace(/[\\"]/g, '\\$&')}"`
