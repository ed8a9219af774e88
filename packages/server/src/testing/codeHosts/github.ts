/**
 * For tests: a GitHub, with repositories, personal tokens, one App with its installations, and pull requests. It refuses
 * what GitHub refuses, in the way of GitHub: what one may not see is not there.
 */
import { type KeyObject, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtVerify } from 'jose'
import { sentToken, serveGit } from './gitBackend.ts'
import {
  type BasicError,
  fullRepository,
  installation,
  installationToken,
  type PullRequest,
  pullRequest,
  type ValidationError,
} from './githubAnswers.ts'
import { type Asked, answerWith, bodyOf, type HostServer, startHost } from './server.ts'

export type FakeGithub = HostServer & {
  /** Base of its REST interface. */
  api: string
  /** Repositories that anybody may read. */
  open: Set<string>
  /** Which repositories a token reaches; those of installations come by themselves. */
  tokens: Map<string, string[]>
  installations: Map<number, { repositories: string[]; suspended?: boolean }>
  pulls: PullRequest[]
  /** Of what made or changed them, as it was sent. */
  bodies: string[]
}

/** `root` holds `<owner>/<repo>.git`; `app` is whose signature it takes. */
export async function startGithub(options: {
  root: string
  app?: { id: string; publicKey: KeyObject }
}): Promise<FakeGithub> {
  const open: FakeGithub['open'] = new Set()
  const tokens: FakeGithub['tokens'] = new Map()
  const installations: FakeGithub['installations'] = new Map()
  const pulls: PullRequest[] = []
  const bodies: string[] = []
  const host = await startHost(async (asked, request, response) => {
    if (asked.path.startsWith('/api/')) return answerRest(asked, request, response)
    const repository = /^\/([^/]+\/[^/]+)\.git\//.exec(asked.path)?.[1] ?? ''
    const token = sentToken(request)
    const writes = asked.path.endsWith('git-receive-pack') || asked.query.get('service') === 'git-receive-pack'
    if (token === null && (writes || !open.has(repository))) return unknownToken(response)
    if (token !== null && !tokens.has(token)) return unknownToken(response)
    if (!mayRead(token, repository)) return void response.writeHead(404).end('Repository not found.')
    serveGit(options.root, request, response)
  })

  const mayRead = (token: string | null, repository: string) =>
    open.has(repository) || (token !== null && (tokens.get(token) ?? []).includes(repository))

  function unknownToken(response: ServerResponse): void {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="GitHub"' }).end()
  }

  async function isApp(request: IncomingMessage): Promise<boolean> {
    if (!options.app) return false
    const { id: issuer, publicKey } = options.app
    const checked = jwtVerify(sentToken(request) ?? '', publicKey, { algorithms: ['RS256'], issuer })
    return checked.then(
      () => true,
      () => false,
    )
  }

  async function answerRest(asked: Asked, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = asked.path.slice('/api'.length)
    const [, repository = ''] = /^\/repos\/([^/]+\/[^/]+)/.exec(path) ?? []
    const rest = path.slice(`/repos/${repository}`.length)
    const refuse = (status: number, message: string) =>
      answerWith(response, status, { message, documentation_url: '', status: String(status) } satisfies BasicError)

    const minted = /^\/app\/installations\/(\d+)\/access_tokens$/.exec(path)
    if (minted || rest === '/installation') {
      if (!(await isApp(request))) return refuse(401, 'A JSON web token could not be decoded')
      if (minted) return mint(Number(minted[1]))
      const found = [...installations].find(([, { repositories }]) => repositories.includes(repository))
      if (!found) return refuse(404, 'Not Found')
      return answerWith(
        response,
        200,
        installation(found[0], repository.split('/')[0] ?? '', found[1].suspended ?? false),
      )
    }
    const token = sentToken(request)
    if (token !== null && !tokens.has(token)) return refuse(401, 'Bad credentials')
    if (repository === '' || !mayRead(token, repository)) return refuse(404, 'Not Found')
    if (asked.method === 'GET' && rest === '') return answerWith(response, 200, fullRepository(repository))
    if (asked.method === 'GET' && rest === '/pulls') {
      const found = pulls.filter(
        ({ head, base, state }) =>
          base.repo.full_name === repository &&
          state === (asked.query.get('state') ?? 'open') &&
          (asked.query.get('head') ?? head.label) === head.label,
      )
      return answerWith(response, 200, found)
    }
    if (asked.method === 'POST' && rest === '/pulls') return createPull(repository)
    const [, number] = /^\/pulls\/(\d+)$/.exec(rest) ?? []
    const pull = pulls.find((one) => one.number === Number(number) && one.base.repo.full_name === repository)
    if (!pull) return refuse(404, 'Not Found')
    if (asked.method === 'PATCH') Object.assign(pull, await bodyOf(request, bodies))
    return answerWith(response, 200, pull)

    function mint(id: number): void {
      const one = installations.get(id)
      const made = `ghs_${randomBytes(18).toString('hex')}`
      if (!one) refuse(404, 'Not Found')
      else if (one.suspended) refuse(403, 'This installation has been suspended')
      else {
        tokens.set(made, one.repositories)
        answerWith(response, 201, installationToken(made, new Date(Date.now() + 3_600_000)))
      }
    }

    async function createPull(fullName: string): Promise<void> {
      const { title, head: given, base, body, draft } = await bodyOf(request, bodies)
      const owner = fullName.split('/')[0] ?? ''
      const head = String(given).replace(`${owner}:`, '')
      const label = `${owner}:${head}`
      if (pulls.some((one) => one.head.label === label && one.state === 'open')) {
        return answerWith(response, 422, {
          message: 'Validation Failed',
          documentation_url: '',
          errors: [{ resource: 'PullRequest', code: 'custom', message: `A pull request already exists for ${label}.` }],
        } satisfies ValidationError)
      }
      const number = pulls.length + 1
      const made = pullRequest({
        ...{ htmlUrl: `https://github.com/${fullName}/pull/${number}`, fullName, number, title: String(title) },
        ...{ head, base: String(base), body: String(body), draft: draft === true },
      })
      pulls.push(made)
      answerWith(response, 201, made)
    }
  }

  return { ...host, api: `${host.url}/api`, open, tokens, installations, pulls, bodies }
}
