/**
 * What is known of a git host: where its repositories and its REST interface are, and which dialect the latter speaks.
 * Pure: from what the operator has configured, and for a session's own host from what its caller has said.
 */
import type { GatewayConfig } from './gatewayConfig.ts'

export type HostKind = 'github' | 'gitlab'

export type CodeHost = {
  /** As the user knows it; `url` and `api` may lead to it by another name. */
  host: string
  kind: HostKind | null
  /** Base of the repositories' addresses, without a trailing slash. */
  url: string
  /** Base of the REST interface, without a trailing slash; null where its dialect is not known. */
  api: string | null
  /** The operator's, for the session's own repository. */
  credential: { username: string; token: string } | null
  /** Repositories that every session may read with that credential, by their paths in lower case. */
  shared: ReadonlySet<string>
  /** Hosts that the operator has set up may have any address; others have those of the outbound policy. */
  reach: 'checked' | 'any'
}

export type HostPolicy = Pick<GatewayConfig, 'gitHosts'>

const known: Readonly<Record<string, { kind: HostKind; api: string }>> = {
  'github.com': { kind: 'github', api: 'https://api.github.com' },
  'gitlab.com': { kind: 'gitlab', api: 'https://gitlab.com/api/v4' },
}
/** The GitHub App is one of this host, wherever its `api` is. */
export const githubAppHost = 'github.com'
/** Where a host of one's own has its interface. */
const apiPath = { github: '/api/v3', gitlab: '/api/v4' } as const satisfies Record<HostKind, string>

/** `origin` and `platform`: what is known of it besides, when it is the host of the session's own repository. */
export function codeHostOf(
  host: string,
  policy: HostPolicy,
  { origin, platform }: { origin?: string; platform?: HostKind | null } = {},
): CodeHost {
  const listed = policy.gitHosts[host]
  const kind = listed?.kind ?? known[host]?.kind ?? platform ?? null
  const url = trimmed(listed?.url ?? origin ?? `https://${host}`)
  return {
    host,
    kind,
    url,
    api: trimmed(listed?.api ?? known[host]?.api ?? (kind === null ? '' : url + apiPath[kind])) || null,
    credential: listed?.credential ?? null,
    shared: new Set(listed?.sharedRepositories?.map((path) => path.toLowerCase())),
    reach: listed ? 'any' : 'checked',
  }
}

const usernames: Readonly<Record<string, string>> = { 'bitbucket.org': 'x-token-auth' }

/** The name under which a token of this host is sent with git. */
export const gitUsername = ({ host, kind }: Pick<CodeHost, 'host' | 'kind'>): string =>
  usernames[host] ?? (kind === 'gitlab' ? 'oauth2' : 'x-access-token')

const trimmed = (url: string): string => url.replace(/\/+$/, '')
