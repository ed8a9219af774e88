/**
 * Pull requests by the REST interfaces of GitHub and GitLab, through the gateway, which adds the credential. GitLab calls
 * them merge requests; here they are the same.
 */
import type { FinalizeParams } from '@corral/protocol'
import { z } from 'zod'
import type { GatewayAnswer, GatewayCalls } from '../doors/gatewayCalls.ts'

export type PullRequest = { url: string; number: number }
export type NewPullRequest = { title: string; body: string; branch: string; base: string; draft: boolean }

export type CodeHostApi = {
  defaultBranch(): Promise<string>
  /** The open one of this branch. */
  find(branch: string): Promise<PullRequest | null>
  /** Null when there is one already. */
  create(wanted: NewPullRequest): Promise<PullRequest | null>
}

/** The host does not do it; the message is for people. */
export class HostRefused extends Error {}

type Host = NonNullable<NonNullable<FinalizeParams['pullRequest']>['host']>
type Ask = (method: 'GET' | 'POST', path: string, body?: unknown) => Promise<GatewayAnswer>

const repository = z.object({ default_branch: z.string().nullable() })
const githubPull = z.object({ html_url: z.string(), number: z.number() })
const gitlabPull = z.object({ web_url: z.string(), iid: z.number() })

export function createCodeHostApi(options: {
  host: Host
  call: GatewayCalls
  timeoutMs: number
  signal: AbortSignal
}): CodeHostApi {
  const { host, call, timeoutMs, signal } = options
  const ask: Ask = (method, path, body) =>
    call({ method, path: host.path + path, body, timeoutMs, signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      throw new HostRefused('the code host did not answer in time', { cause: error })
    })
  const api = host.kind === 'github' ? github(ask, host.owner) : gitlab(ask)
  return {
    ...api,
    async defaultBranch() {
      const { default_branch: name } = read(repository, await ask('GET', ''))
      if (name === null) throw new HostRefused('the repository has no default branch')
      return name
    },
  }
}

const github = (ask: Ask, owner: string): Omit<CodeHostApi, 'defaultBranch'> => ({
  async find(branch) {
    const query = new URLSearchParams({ state: 'open', head: `${owner}:${branch}` })
    const [found] = read(z.array(githubPull), await ask('GET', `/pulls?${query}`))
    return found ? { url: found.html_url, number: found.number } : null
  },
  async create({ title, body, branch, base, draft }) {
    const answer = await ask('POST', '/pulls', { title, body, head: branch, base, draft })
    if (answer.status === 422 && JSON.stringify(answer.body).includes('already exists')) return null
    const { html_url: url, number } = read(githubPull, answer)
    return { url, number }
  },
})

const gitlab = (ask: Ask): Omit<CodeHostApi, 'defaultBranch'> => ({
  async find(branch) {
    const query = new URLSearchParams({ state: 'opened', source_branch: branch })
    const [found] = read(z.array(gitlabPull), await ask('GET', `/merge_requests?${query}`))
    return found ? { url: found.web_url, number: found.iid } : null
  },
  async create({ title, body, branch, base, draft }) {
    const answer = await ask('POST', '/merge_requests', {
      title: draft ? `Draft: ${title}` : title,
      description: body,
      source_branch: branch,
      target_branch: base,
    })
    if (answer.status === 409) return null
    const { web_url: url, iid: number } = read(gitlabPull, answer)
    return { url, number }
  },
})

function read<T>(schema: z.ZodType<T>, { status, body }: GatewayAnswer): T {
  const checked = status < 300 ? schema.safeParse(body) : null
  if (checked?.success) return checked.data
  if (checked) throw new HostRefused('the code host gave an answer that is not understood', { cause: checked.error })
  throw new HostRefused(sentences[status] ?? `the code host answered with an error (${status})`)
}

const sentences: Readonly<Record<number, string>> = {
  400: 'the code host did not take it (400)',
  403: 'the credential of this repository, or the gateway, does not allow it (403)',
  404: 'the repository cannot be reached there, or its credential may not make one (404)',
  422: 'the code host did not take it (422): its base may not exist, or there may be nothing between the two',
}
