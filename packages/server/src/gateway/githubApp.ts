/**
 * The operator's GitHub App: which of its installations has a repository, and a token of that installation.
 * Invariants: only installations that are linked to the session's owner are used; a token is asked for once at a time
 * and kept for 30 minutes of its hour; redirects are not followed, since they would carry the App's signature elsewhere.
 */
import { createAppAuth } from '@octokit/auth-app'
import { request as octokitRequest } from '@octokit/request'
import type { Logger } from 'pino'
import type { TokenCache } from './tokenCache.ts'

export type AppToken =
  | { kind: 'token'; token: string }
  /** No linked installation has this repository, or GitHub gives no token for it. */
  | { kind: 'none' }
  | { kind: 'unavailable'; sentence: string; error: string }

export type GithubApp = {
  /** `repository`: `owner/repo`. `refused`: a token that GitHub has just refused; it is forgotten. */
  token(of: { repository: string; linked: readonly number[]; refused?: string | undefined }): Promise<AppToken>
}

const answerMs = 10_000
/** How long it is remembered which installation has a repository; whether that is linked is asked each time. */
const rememberMs = 5 * 60_000
const maxRemembered = 10_000
const cacheKey = (installation: string) => `github-token:installation:${installation}`

export function createGithubApp(deps: {
  appId: string
  privateKey: string
  /** Base of GitHub's REST interface. */
  api: string
  cache: TokenCache
  log: Pick<Logger, 'warn'>
}): GithubApp {
  const { cache, log } = deps
  const request = octokitRequest.defaults({
    baseUrl: deps.api,
    headers: { 'user-agent': 'corral' },
    request: {
      fetch: (url: string, init: RequestInit) =>
        fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(answerMs) }),
    },
  })
  const auth = createAppAuth({
    appId: deps.appId,
    privateKey: deps.privateKey,
    request,
    log: { warn: (message) => log.warn(message) },
    cache: {
      get: async (installation: string) => (await cache.get(cacheKey(installation))) ?? '',
      set: (installation: string, value: string) => cache.set(cacheKey(installation), value),
    },
  })
  const remembered = new Map<string, { installation: number; until: number }>()

  async function installationOf(repository: string): Promise<number | null> {
    const known = remembered.get(repository)
    if (known && known.until > performance.now()) return known.installation
    remembered.delete(repository)
    const [owner = '', repo = ''] = repository.split('/')
    try {
      const { data } = await request('GET /repos/{owner}/{repo}/installation', {
        owner,
        repo,
        request: { hook: auth.hook },
      })
      remembered.set(repository, { installation: data.id, until: performance.now() + rememberMs })
      const oldest = remembered.keys().next().value
      if (remembered.size > maxRemembered && oldest !== undefined) remembered.delete(oldest)
      return data.id
    } catch (error) {
      if (statusOf(error) === 404) return null
      throw error
    }
  }

  async function forget(installation: number, refused: string): Promise<void> {
    const kept = await cache.get(cacheKey(String(installation)))
    // Somebody else may have replaced it already.
    if (kept?.split('|', 1)[0] === refused) await cache.drop(cacheKey(String(installation)))
  }

  async function tokenOf(repository: string, installation: number): Promise<AppToken> {
    try {
      const { token } = await auth({ type: 'installation', installationId: installation })
      return { kind: 'token', token }
    } catch (error) {
      const status = statusOf(error)
      if (status === null || ![403, 404, 422].includes(status)) throw error
      // Suspended, or no longer there: another one may have the repository by now.
      remembered.delete(repository)
      log.warn({ installation, status }, 'GitHub gives no token for this installation')
      return { kind: 'none' }
    }
  }

  return {
    async token({ repository, linked, refused }) {
      if (linked.length === 0 || !/^[^/]+\/[^/]+$/.test(repository)) return { kind: 'none' }
      try {
        const installation = await installationOf(repository)
        if (installation === null || !linked.includes(installation)) return { kind: 'none' }
        if (refused !== undefined) await forget(installation, refused)
        return await tokenOf(repository, installation)
      } catch (error) {
        const status = statusOf(error)
        const sentence =
          status === 401 || status === 403
            ? 'GitHub refused the App of this installation; its operator should check GITHUB_APP_ID and its key.'
            : 'GitHub could not be asked for a token; try again.'
        return { kind: 'unavailable', sentence, error: String(error) }
      }
    },
  }
}

/** Of an answer that is an error; null when there was no answer. */
function statusOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return null
  // The library reports a failed connection as 500.
  return 'response' in error && error.response !== undefined ? error.status : null
}
