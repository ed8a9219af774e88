/**
 * The identity of a session's repository, fixed for its life: `https://host/owner/repo`, or `file:///path` below a
 * root that the operator lists. No user part, no port, no `.git`. Source: 30-cloud-agent-api §5, §14.
 */
import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { invalidInput } from '@corral/protocol'
import type { OutboundPolicy } from '../../outbound/policy.ts'
import { repositoryName, repositoryUrl, trimmed } from './repositoryName.ts'

export type RepositoryPolicy = {
  localRoots: readonly string[]
  outbound: Pick<OutboundPolicy, 'admit'>
}

export async function repositoryIdentity(
  input: { githubRepo?: string | undefined; gitUrl?: string | undefined },
  policy: RepositoryPolicy,
): Promise<string> {
  if (input.githubRepo !== undefined) return `https://github.com/${trimmed(input.githubRepo).toLowerCase()}`
  const given = input.gitUrl ?? ''
  if (given.startsWith('/') || given.startsWith('file:')) return localIdentity(given, policy)
  return remoteIdentity(given, policy)
}

async function localIdentity(given: string, policy: RepositoryPolicy): Promise<string> {
  const refused = () =>
    invalidInput('gitUrl', 'is not below a folder that the operator lists in CORRAL_GIT_LOCAL_ROOTS, or is not there')
  let path: string
  try {
    path = await realpath(given.startsWith('file:') ? fileURLToPath(given) : given)
  } catch (error) {
    if (error instanceof Error) throw refused()
    throw error
  }
  for (const root of policy.localRoots) {
    const real = await realpath(root).catch(() => null)
    if (real !== null && (path === real || path.startsWith(real.endsWith(sep) ? real : real + sep))) {
      return pathToFileURL(path).href
    }
  }
  throw refused()
}

function remoteIdentity(given: string, policy: RepositoryPolicy): string {
  const url = repositoryUrl(given)
  if (!url) {
    throw invalidInput('gitUrl', 'must be an https URL, git@host:path, or a local path that the operator allows')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalidInput('gitUrl', 'must not carry a user or a password; give a token instead')
  }
  policy.outbound.admit(url, 'gitUrl')
  const name = repositoryName(given)
  if (name === null) throw invalidInput('gitUrl', 'names no repository')
  return name
}
