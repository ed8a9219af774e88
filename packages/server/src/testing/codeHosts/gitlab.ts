/**
 * For tests: a GitLab, with projects, tokens and merge requests, by its documented REST interface (`/api/v4`): a second
 * open merge request of a branch is 409, and what one may not see is 404.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sentToken, serveGit } from './gitBackend.ts'
import { type Asked, answerWith, bodyOf, type HostServer, startHost } from './server.ts'

export type MergeRequest = {
  id: number
  iid: number
  project_id: number
  source_project_id: number
  target_project_id: number
  title: string
  description: string | null
  state: 'opened' | 'closed' | 'merged'
  source_branch: string
  target_branch: string
  draft: boolean
  web_url: string
}

export type FakeGitlab = HostServer & {
  /** Base of its REST interface. */
  api: string
  /** Which projects a token reaches, by their paths. */
  tokens: Map<string, string[]>
  mergeRequests: MergeRequest[]
}

const projectId = 7

/** `root` holds `<group>/…/<project>.git`. */
export async function startGitlab(options: { root: string }): Promise<FakeGitlab> {
  const tokens: FakeGitlab['tokens'] = new Map()
  const mergeRequests: MergeRequest[] = []
  const reaches = (token: string | null, path: string) => token !== null && (tokens.get(token) ?? []).includes(path)

  const host = await startHost((asked, request, response) => {
    if (asked.path.startsWith('/api/v4/')) return answerRest(asked, request, response)
    const path = /^\/(.+)\.git\//.exec(asked.path)?.[1] ?? ''
    if (reaches(sentToken(request), path)) serveGit(options.root, request, response)
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="GitLab"' }).end()
  })

  async function answerRest(asked: Asked, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, encoded = '', rest = ''] = /^\/api\/v4\/projects\/([^/]+)(?:\/(.*))?$/.exec(asked.path) ?? []
    const project = decodeURIComponent(encoded)
    const token = sentToken(request)
    if (token !== null && !tokens.has(token)) return answerWith(response, 401, { message: '401 Unauthorized' })
    if (!reaches(token, project)) return answerWith(response, 404, { message: '404 Project Not Found' })
    if (asked.method === 'GET' && rest === '') {
      const described = { id: projectId, path_with_namespace: project, default_branch: 'main', visibility: 'private' }
      return answerWith(response, 200, described)
    }
    if (rest === 'merge_requests') {
      if (asked.method === 'POST') return create(project, await bodyOf(request), response)
      const { query } = asked
      const found = mergeRequests.filter(
        (one) =>
          (query.get('state') ?? one.state) === one.state &&
          (query.get('source_branch') ?? one.source_branch) === one.source_branch,
      )
      return answerWith(response, 200, found)
    }
    const [, iid] = /^merge_requests\/(\d+)$/.exec(rest) ?? []
    const found = mergeRequests.find((one) => one.iid === Number(iid))
    if (!found) return answerWith(response, 404, { message: '404 Not found' })
    if (asked.method === 'PUT') Object.assign(found, await bodyOf(request))
    return answerWith(response, 200, found)
  }

  function create(project: string, body: Record<string, unknown>, response: ServerResponse): void {
    const { source_branch: source, target_branch: target, title, description } = body
    const open = mergeRequests.find((one) => one.source_branch === source && one.state === 'opened')
    const message = [`Another open merge request already exists for this source branch: !${open?.iid}`]
    const iid = mergeRequests.length + 1
    const made: MergeRequest = {
      ...{ id: 100 + iid, iid, project_id: projectId, source_project_id: projectId, target_project_id: projectId },
      ...{ title: String(title), description: String(description), state: 'opened', source_branch: String(source) },
      ...{ target_branch: String(target), draft: /^draft:/i.test(String(title)) },
      web_url: `https://gitlab.com/${project}/-/merge_requests/${iid}`,
    }
    if (!open) mergeRequests.push(made)
    answerWith(response, open ? 409 : 201, open ? { message } : made)
  }

  return { ...host, api: `${host.url}/api/v4`, tokens, mergeRequests }
}
