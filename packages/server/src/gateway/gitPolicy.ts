/**
 * What a git request asks for, and whether it may. Pure. The session's own repository may be read and pushed, with the
 * credential of its host; others of its host, and of hosts that the operator lists, may be read without one.
 */
import { isSameRepository, type Repository, repositoryAt, repositoryOf } from './doorUrl.ts'
import type { GatewayConfig } from './gatewayConfig.ts'
import type { Grant } from './grants.ts'

/** Smart HTTP has two services, and two steps in each: the list of references, then the work. */
export type GitCall = {
  repository: Repository
  service: 'git-upload-pack' | 'git-receive-pack'
  step: 'references' | 'work'
}

export type Credential = { username: string; token: string }

export type GitDecision =
  | { kind: 'refused'; status: 403; sentence: string }
  | { kind: 'local'; path: string }
  | {
      kind: 'remote'
      /** As the user knows it; `url` may lead to it by another name. */
      host: string
      url: string
      credential: Credential | null
      /** Hosts that the operator has set up may have any address; others have those of the outbound policy. */
      reach: 'checked' | 'any'
    }

export type GitPolicy = Pick<GatewayConfig, 'gitHosts'>

/** Null for everything that is not one of the four requests of smart HTTP. */
export function readGitCall(method: string | undefined, url: string): GitCall | null {
  const [path = '', query = ''] = url.split('?', 2)
  const references = /^(.+)\/info\/refs$/.exec(path)
  const work = /^(.+)\/(git-upload-pack|git-receive-pack)$/.exec(path)
  const service = references ? new URLSearchParams(query).get('service') : work?.[2]
  const repository = repositoryAt(references?.[1] ?? work?.[1] ?? '')
  if (!repository || (service !== 'git-upload-pack' && service !== 'git-receive-pack')) return null
  if (method !== (references ? 'GET' : 'POST')) return null
  return { repository, service, step: references ? 'references' : 'work' }
}

export function decideGit(
  { repository, service }: GitCall,
  grant: Pick<Grant, 'repository'>,
  policy: GitPolicy,
): GitDecision {
  const own = repositoryOf(grant.repository)
  const isOwn = isSameRepository(own, repository)
  if (service === 'git-receive-pack' && !isOwn) {
    return { kind: 'refused', status: 403, sentence: `this session may push to ${grant.repository} only.` }
  }
  if (repository.kind === 'local') return repository

  const { host, path } = repository
  const listed = policy.gitHosts[host]
  const ownHost = own.kind === 'remote' && own.host === host
  if (!listed && !ownHost) {
    const sentence = `this session may not fetch from ${host}; the operator can list it in "gitHosts".`
    return { kind: 'refused', status: 403, sentence }
  }
  const base = listed?.url?.replace(/\/+$/, '') ?? (ownHost ? new URL(grant.repository).origin : `https://${host}`)
  return {
    kind: 'remote',
    host,
    url: `${base}/${path.split('/').map(encodeURIComponent).join('/')}.git`,
    credential: (isOwn && listed?.credential) || null,
    reach: listed ? 'any' : 'checked',
  }
}
