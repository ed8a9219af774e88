/**
 * What of a host's REST interface a session may use: listed paths of its own repository. Reads, and creating or changing
 * a pull request from the session's branch; nothing that merges, comments, or changes settings. Pure.
 */
import { decodedComponent } from '../decodedComponent.ts'
import { type CodeHost, codeHostOf, type HostKind, type HostPolicy } from './codeHost.ts'
import { repositoryOf } from './doorUrl.ts'
import { ownHostOf } from './gitPolicy.ts'
import type { Grant } from './grants.ts'

export type RestCall = {
  method: string
  host: string
  /** Below the host, as it was sent. */
  path: string
  /** With its question mark, or empty. */
  query: string
}

export type RestDecision =
  | { kind: 'refused'; status: 403 | 404 | 405; sentence: string }
  | {
      kind: 'passed'
      codeHost: CodeHost
      url: string
      /** `create` and `change`: of a pull request, whose body has to be looked at. */
      what: 'read' | 'create' | 'change'
      dialect: Dialect
    }

/** A host's own words for what is the same everywhere. */
export type Dialect = {
  kind: HostKind
  /** Where a repository is below the interface's base. */
  repositoryPath(path: string): string
  /** Below the repository: what may be read. `*` is one segment, `**` any number of them. */
  reads: readonly string[]
  /** Where pull requests are. */
  pulls: string
  changeMethod: 'PATCH' | 'PUT'
  /** The members of a pull request's body, and the one that names its branch. */
  members: { head: string; create: readonly string[]; change: readonly string[] }
}

const github: Dialect = {
  kind: 'github',
  repositoryPath: (path) => `repos/${path}`,
  reads: [
    ...['', 'branches', 'branches/*', 'commits', 'commits/*', 'commits/*/status', 'commits/*/check-runs', 'compare/*'],
    ...[
      'contents',
      'contents/**',
      'git/ref/**',
      'issues',
      'issues/*',
      'issues/*/comments',
      'labels',
      'releases',
      'tags',
    ],
    ...['pulls', 'pulls/*', 'pulls/*/files', 'pulls/*/commits', 'pulls/*/comments', 'pulls/*/reviews', 'readme'],
    ...['actions/runs', 'actions/runs/*', 'actions/runs/*/jobs'],
  ],
  pulls: 'pulls',
  changeMethod: 'PATCH',
  members: {
    head: 'head',
    create: ['title', 'head', 'base', 'body', 'draft'],
    change: ['title', 'body', 'base', 'state'],
  },
}

const gitlab: Dialect = {
  kind: 'gitlab',
  repositoryPath: (path) => `projects/${encodeURIComponent(path)}`,
  reads: [
    ...['', 'repository/branches', 'repository/branches/*', 'repository/commits', 'repository/commits/*'],
    ...['repository/compare', 'repository/tree', 'repository/files/*', 'repository/files/*/raw', 'repository/tags'],
    ...['issues', 'issues/*', 'issues/*/notes', 'labels', 'releases', 'pipelines', 'pipelines/*', 'pipelines/*/jobs'],
    ...['merge_requests', 'merge_requests/*', 'merge_requests/*/commits', 'merge_requests/*/diffs'],
    ...['merge_requests/*/notes', 'merge_requests/*/pipelines'],
  ],
  pulls: 'merge_requests',
  changeMethod: 'PUT',
  members: {
    head: 'source_branch',
    create: ['title', 'source_branch', 'target_branch', 'description', 'remove_source_branch', 'squash'],
    change: ['title', 'description', 'target_branch', 'state_event'],
  },
}

const dialects = { github, gitlab } as const satisfies Record<HostKind, Dialect>

/** Where the gateway serves the interface of a session's own repository; null when its host has none that is known. */
export function restDoor(
  grant: Pick<Grant, 'repository' | 'platform'>,
  policy: HostPolicy,
): { kind: HostKind; path: string; owner: string } | null {
  const own = repositoryOf(grant.repository)
  if (own.kind !== 'remote') return null
  const { kind } = codeHostOf(own.host, policy, ownHostOf(grant))
  if (kind === null) return null
  const path = `/api/${own.host}/${dialects[kind].repositoryPath(own.path)}`
  return { kind, path, owner: own.path.split('/')[0] ?? '' }
}

/** Null for what is no path of a host. */
export function readRestCall(method: string | undefined, url: string): RestCall | null {
  const [, host, path = '', query = ''] = /^\/api\/([^/?]+)\/([^?]*)(\?.*)?$/.exec(url) ?? []
  if (host === undefined || method === undefined) return null
  return { method, host, path: path.replace(/\/$/, ''), query }
}

export function decideRest(
  { method, host, path, query }: RestCall,
  grant: Pick<Grant, 'repository' | 'platform'>,
  policy: HostPolicy,
): RestDecision {
  const refused = (status: 403 | 404 | 405, sentence: string): RestDecision => ({ kind: 'refused', status, sentence })
  const own = repositoryOf(grant.repository)
  if (own.kind !== 'remote' || own.host !== host) {
    return refused(403, `this session's repository is ${grant.repository}; no other host's interface is served here.`)
  }
  const codeHost = codeHostOf(host, policy, ownHostOf(grant))
  if (codeHost.kind === null || codeHost.api === null) {
    return refused(404, `which interface ${host} has is not known; the operator can say so with "kind" in "gitHosts".`)
  }
  if (/^(api\/)?graphql$/i.test(path)) return refused(403, 'GraphQL is not served here; use the REST interface.')

  const dialect = dialects[codeHost.kind]
  const root = dialect.repositoryPath(own.path)
  const below = pathBelow(path, root)
  if (below === null) return refused(403, `only what is below ${root} is served here.`)
  const what = whatIsAsked(method, below, dialect)
  if (what === null) {
    return refused(405, `${method} ${path} is not served here: reads, and pull requests from the session's branch.`)
  }
  // Hosts take members from there, too, past what is looked at in the body.
  if (what !== 'read' && query !== '') return refused(403, 'a pull request has its members in the body, and no query.')
  // What was compared is what is sent, whatever case or encoding it came in.
  const rest = below.map(encodeURIComponent).join('/')
  return { kind: 'passed', codeHost, url: `${codeHost.api}/${root}${rest && `/${rest}`}${query}`, what, dialect }
}

function whatIsAsked(method: string, below: string[], { reads, pulls, changeMethod }: Dialect) {
  if (method === 'GET') return reads.some((pattern) => matches(below, pattern)) ? 'read' : null
  if (method === 'POST') return matches(below, pulls) ? 'create' : null
  return method === changeMethod && matches(below, `${pulls}/*`) ? 'change' : null
}

/** The decoded segments below `root`; null when it is not below, or a segment would lead elsewhere. */
function pathBelow(path: string, root: string): string[] | null {
  const segments = path.split('/').map(decodedComponent)
  const roots = root.split('/').map(decodedComponent)
  if (!segments.every((segment) => segment !== null && isPlain(segment))) return null
  if (roots.some((segment, at) => segments[at]?.toLowerCase() !== segment?.toLowerCase())) return null
  return segments.slice(roots.length).filter((segment) => segment !== null)
}

/** An encoded slash is a part of a GitLab path; it may not lead anywhere either. */
const isPlain = (segment: string) =>
  segment.split('/').every((name) => name !== '' && name !== '.' && name !== '..') &&
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  !/[\\\u0000-\u001f\u007f]/.test(segment)

function matches(below: string[], pattern: string): boolean {
  const parts = pattern === '' ? [] : pattern.split('/')
  const open = parts.at(-1) === '**'
  if (open ? below.length < parts.length : below.length !== parts.length) return false
  return parts.every((part, at) => part === '*' || part === '**' || part === below[at])
}

/** Why a body may not make or change a pull request; null when it may. `owner`: of the repository, for `owner:branch`. */
export function pullRequestRefusal(
  body: Record<string, unknown>,
  what: 'create' | 'change',
  { dialect, branch, owner }: { dialect: Dialect; branch: string; owner: string },
): string | null {
  const { head, [what]: allowed } = dialect.members
  const other = Object.keys(body).find((name) => !allowed.includes(name))
  if (other !== undefined) return `a pull request's "${other}" cannot be set here.`
  if (what === 'change') return null
  const given = body[head]
  if (given === branch || (dialect.kind === 'github' && given === `${owner}:${branch}`)) return null
  return `this session may make a pull request from ${branch} only.`
}
