/**
 * Where a repository is at the gateway: `/git/<host>/<path>.git`, and `/git/file:/<path>.git` when it is local. ("file:"
 * can be no host: after the colon of a host there is a port.) Pure; the server makes the addresses, the gateway reads
 * them, and each address is that of one repository.
 */
import { decodedComponent } from '../decodedComponent.ts'

export type Repository =
  | { kind: 'remote'; host: string /** `owner/repo`, decoded. */; path: string }
  | { kind: 'local' /** Absolute, decoded. */; path: string }

const localHost = 'file:'

/** The path of the door for a repository's identity: `https://host/owner/repo` or `file:///path`. */
export function doorUrl(identity: string): string {
  const { host, path } = placeOf(repositoryOf(identity))
  return `/git/${host}/${path.split('/').map(encodeURIComponent).join('/')}.git`
}

/** Throws on what is no identity of a repository; see `sessions/configuration/repository.ts`. */
export function repositoryOf(identity: string): Repository {
  const url = new URL(identity)
  const path = plainPath(url.pathname.slice(1))
  if (path === null || !['https:', 'http:', 'file:'].includes(url.protocol)) {
    throw new Error(`"${identity}" is no identity of a repository.`)
  }
  return url.protocol === 'file:' ? { kind: 'local', path: `/${path}` } : { kind: 'remote', host: url.host, path }
}

/**
 * The repository at a path of the door, as it was sent; null when there is none. A remote one is found without `.git`,
 * too, since a rule for a whole host keeps what the user typed.
 */
export function repositoryAt(doorPath: string): Repository | null {
  const [, host, encoded = ''] = /^\/git\/([^/]+)\/(.+)$/.exec(doorPath) ?? []
  if (host === undefined) return null
  const named = encoded.endsWith('.git')
  const path = plainPath(named ? encoded.slice(0, -'.git'.length) : encoded)
  if (path === null) return null
  if (host === localHost) return named ? { kind: 'local', path: `/${path}` } : null
  return isHost(host) ? { kind: 'remote', host, path } : null
}

export function isSameRepository(one: Repository, other: Repository): boolean {
  const [a, b] = [placeOf(one), placeOf(other)]
  return a.host === b.host && a.path === b.path
}

/** For logs. */
export function nameOf(repository: Repository): string {
  const { host, path } = placeOf(repository)
  return `${host}/${path}`
}

function placeOf(repository: Repository): { host: string; path: string } {
  return repository.kind === 'remote' ? repository : { host: localHost, path: repository.path.slice(1) }
}

/** In the form that `URL` gives, so that two spellings of a host are never two hosts. */
function isHost(host: string): boolean {
  return URL.canParse(`https://${host}/`) && new URL(`https://${host}/`).host === host
}

/** Decoded; null when a segment is not a plain name, so that no address leads anywhere else than it says. */
function plainPath(encoded: string): string | null {
  const segments = encoded.split('/').map(decodedComponent)
  return segments.every((segment) => segment !== null && isPlainName(segment)) ? segments.join('/') : null
}

function isPlainName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\u0000-\u001f\u007f]/.test(name)
}
