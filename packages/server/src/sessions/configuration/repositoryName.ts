/**
 * One name for one repository, however its URL is written: `https://host/owner/repo`, without user, port, query or
 * `.git`, and in lower case where the host does not tell cases apart. Pure: says nothing of whether it may be reached.
 */

/** Hosts whose paths are the same in any case. */
const caseless = new Set(['github.com', 'gitlab.com', 'bitbucket.org'])

/** Of an https, http or ssh URL, or of `user@host:path`; null for anything else. */
export function repositoryName(given: string): string | null {
  const url = repositoryUrl(given)
  return url && normalized(url.host, url.pathname, url.protocol)
}

/** The same as the URL under which the web has it. */
export function repositoryUrl(given: string): URL | null {
  const scp = /^(?:[A-Za-z0-9_.-]+)@([A-Za-z0-9.-]+):(?!\/)(.+)$/.exec(given)
  const named = parseUrl(scp ? `https://${scp[1]}/${scp[2]}` : given)
  // Of a URL that is not for the web, the host is as it was typed.
  const url = named?.protocol === 'ssh:' ? parseUrl(`https://${named.hostname}${named.pathname}`) : named
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : null
}

function normalized(host: string, pathname: string, protocol: string): string | null {
  const path = trimmed(pathname)
  if (path === '') return null
  const lowerHost = host.toLowerCase()
  return `${protocol}//${lowerHost}/${caseless.has(lowerHost) ? path.toLowerCase() : path}`
}

export const trimmed = (path: string): string =>
  path
    .replace(/^\/+|\/+$/g, '')
    .replace(/\.git$/i, '')
    .replace(/\/+$/, '')

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}
