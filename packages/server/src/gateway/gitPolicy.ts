/**
 * What a git request asks for, and whether it may. Pure. The session's own repository may be read and pushed, with the
 * credential of its host; others of its host, and of hosts that the operator lists, may be read without one.
 */
import { type CodeHost, codeHostOf, type HostPolicy } from './codeHost.ts'
import { isSameRepository, type Repository, repositoryAt, repositoryOf } from './doorUrl.ts'
import type { Grant } from './grants.ts'

/** Smart HTTP has two services, and two steps in each: the list of references, then the work. */
export type GitCall = {
  repository: Repository
  service: 'git-upload-pack' | 'git-receive-pack'
  step: 'references' | 'work'
}

export type GitDecision =
  | { kind: 'refused'; status: 403; sentence: string }
  | { kind: 'local'; path: string }
  | {
      kind: 'remote'
      codeHost: CodeHost
      url: string
      /** Whose credential is added: that for the session's own repository, the operator's for a shared one, or none. */
      access: 'own' | 'shared' | 'anonymous'
    }

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
  grant: Pick<Grant, 'repository' | 'platform'>,
  policy: HostPolicy,
): GitDecision {
  const own = repositoryOf(grant.repository)
  const isOwn = isSameRepository(own, repository)
  if (service === 'git-receive-pack' && !isOwn) {
    return { kind: 'refused', status: 403, sentence: `this session may push to ${grant.repository} only.` }
  }
  if (repository.kind === 'local') return repository

  const { host, path } = repository
  const ownHost = own.kind === 'remote' && own.host === host
  if (!policy.gitHosts[host] && !ownHost) {
    const sentence = `this session may not fetch from ${host}; the operator can list it in "gitHosts".`
    return { kind: 'refused', status: 403, sentence }
  }
  const codeHost = codeHostOf(host, policy, ownHost ? ownHostOf(grant) : {})
  return {
    kind: 'remote',
    codeHost,
    url: `${codeHost.url}/${path.split('/').map(encodeURIComponent).join('/')}.git`,
    access: isOwn ? 'own' : codeHost.shared.has(path.toLowerCase()) ? 'shared' : 'anonymous',
  }
}

/** What a session's grant tells of the host of its repository. */
export const ownHostOf = ({ repository, platform }: Pick<Grant, 'repository' | 'platform'>) => ({
  origin: new URL(repository).origin,
  platform,
})
