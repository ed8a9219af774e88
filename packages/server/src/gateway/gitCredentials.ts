/**
 * The credential for a session's own repository: the caller's token, else one of the GitHub App, else the operator's for
 * that host, else none. It is found anew for each call, so what is unlinked or replaced counts from the next call on.
 */
import { SealBroken } from '../secrets/sealing.ts'
import { type CodeHost, githubAppHost, gitUsername } from './codeHost.ts'
import { repositoryOf } from './doorUrl.ts'
import type { GithubApp } from './githubApp.ts'
import type { Grant } from './grants.ts'
import type { OpenGitTokens } from './sessionSecret.ts'

export type GitCredential = {
  username: string
  token: string
  /** Only one of the App is worth asking for again. */
  from: 'caller' | 'app' | 'operator'
}

export type CredentialAnswer =
  | { kind: 'found'; credential: GitCredential | null }
  | { kind: 'unavailable'; sentence: string; error: string }

export type GitCredentials = {
  /** `refused`: the one that the host has just answered 401 to. */
  of(grant: Grant, codeHost: CodeHost, refused?: GitCredential): Promise<CredentialAnswer>
}

export function createGitCredentials(deps: { openTokens: OpenGitTokens; app: GithubApp | null }): GitCredentials {
  const { openTokens, app } = deps

  return {
    async of(grant, codeHost, refused) {
      const found = (credential: GitCredential | null): CredentialAnswer => ({ kind: 'found', credential })
      const username = gitUsername(codeHost)
      let callers: string | null
      try {
        callers = callersToken(openTokens(grant), codeHost)
      } catch (error) {
        if (!(error instanceof SealBroken)) throw error
        const sentence =
          "this session's token cannot be opened; give it again, or start with the key it was sealed under."
        return { kind: 'unavailable', sentence, error: error.message }
      }
      if (callers !== null) return found({ username, token: callers, from: 'caller' })

      const repository = repositoryOf(grant.repository)
      if (app && codeHost.host === githubAppHost && repository.kind === 'remote') {
        const of = { repository: repository.path, linked: grant.installations, refused: refused?.token }
        const answer = await app.token(of)
        if (answer.kind === 'unavailable') return answer
        if (answer.kind === 'token') return found({ username, token: answer.token, from: 'app' })
      }
      return found(codeHost.credential && { ...codeHost.credential, from: 'operator' })
    },
  }
}

/** A GitHub token is sent to a GitHub alone. */
function callersToken(
  { githubToken, gitToken }: { githubToken?: string | undefined; gitToken?: string | undefined },
  { kind }: CodeHost,
): string | null {
  return (kind === 'github' ? (githubToken ?? gitToken) : gitToken) ?? null
}
