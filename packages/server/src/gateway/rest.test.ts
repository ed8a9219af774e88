import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startGithub } from '../testing/codeHosts/github.ts'
import { pullRequest } from '../testing/codeHosts/githubAnswers.ts'
import { startGitlab } from '../testing/codeHosts/gitlab.ts'
import { startHost } from '../testing/codeHosts/server.ts'
import { bearer, type TestSession, testGateway } from './testGateway.ts'

const root = await mkdtemp(join(tmpdir(), 'corral-rest-'))
const github = await startGithub({ root })
const gitlab = await startGitlab({ root })
/** Whoever follows this one's redirects, or passes on its answers, gives the token away. */
const odd = await startHost(({ path, authorization }, _, response) => {
  if (path.endsWith('/pulls')) response.writeHead(302, { location: `${github.api}/stolen` }).end()
  else response.writeHead(200, { 'content-type': 'text/plain' }).end(`you sent ${authorization}`)
})
const gateway = await testGateway({
  gitHosts: {
    'github.com': { url: github.url, api: github.api },
    'gitlab.com': { url: gitlab.url, api: gitlab.api },
    'odd.example': { url: odd.url, api: odd.url, kind: 'github', credential: { token: 'odd_operators' } },
    'plain.example': { url: odd.url },
  },
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await Promise.all([github, gitlab, odd].map((host) => host[Symbol.asyncDispose]()))
  await rm(root, { recursive: true, force: true })
})
beforeEach(() => {
  github.tokens.set('ghp_callers', ['acme/app', 'acme/sibling'])
  gitlab.tokens.set('glpat_callers', ['acme/team/app'])
  github.pulls.length = 0
  gitlab.mergeRequests.length = 0
  github.requests.length = 0
})

async function call({ token }: TestSession, method: 'GET' | 'POST' | 'PATCH' | 'PUT', path: string, body?: object) {
  const answer = await gateway.call(`/api/${path}`, {
    method,
    headers: bearer(token),
    ...(body && { body: JSON.stringify(body) }),
  })
  const read: unknown = await answer.body.json()
  return { status: answer.statusCode, body: read }
}
const refusal = (status: number, sentence: string) => ({
  status,
  body: { message: expect.stringContaining(`corral: ${sentence}`) },
})
const callers = { secret: { githubToken: 'ghp_callers', gitToken: 'glpat_callers' } }

describe('GitHub’s interface', async () => {
  const mine = await gateway.session({ repository: 'https://github.com/acme/app', ...callers })
  const branch = `session/${mine.id}`
  const app = 'github.com/repos/acme/app'
  const wanted = { title: 'Mend it', head: branch, base: 'main', body: 'Why.' }

  test('shows the session’s repository, with the token that only the gateway has', async () => {
    const answer = await call(mine, 'GET', app)
    expect(answer).toMatchObject({ status: 200, body: { full_name: 'acme/app', default_branch: 'main' } })
    expect(github.requests.at(-1)).toMatchObject({ authorization: 'Bearer ghp_callers' })
    expect(gateway.logged()).not.toContain('ghp_callers')
  })

  test('makes a pull request from the session’s branch, and changes it', async () => {
    const made = await call(mine, 'POST', `${app}/pulls`, { ...wanted, draft: true })
    expect(made).toMatchObject({ status: 201, body: { number: 1, draft: true, head: { ref: branch } } })
    const changed = await call(mine, 'PATCH', `${app}/pulls/1`, { title: 'Mend it well' })
    expect(changed).toMatchObject({ status: 200, body: { title: 'Mend it well' } })
    expect(await call(mine, 'POST', `${app}/pulls`, { ...wanted, head: `acme:${branch}` })).toMatchObject({
      status: 422,
      body: { message: 'Validation Failed' },
    })
  })

  test('makes none from another branch, and with no members but those of a pull request', async () => {
    for (const head of ['main', `somebody:${branch}`, undefined]) {
      expect(await call(mine, 'POST', `${app}/pulls`, { ...wanted, head })).toEqual(
        refusal(403, `this session may make a pull request from ${branch} only`),
      )
    }
    expect(await call(mine, 'POST', `${app}/pulls`, { ...wanted, head_repo: 'acme/sibling' })).toEqual(
      refusal(403, 'a pull request\'s "head_repo" cannot be set here'),
    )
    expect(github.requests).toEqual([])
  })

  test('sends what it has looked at, whatever else the text may be read as', async () => {
    const text = `{"head": "main", "title": "Mend it", "base": "main", "head": "${branch}"}`
    const answer = await gateway.call(`/api/${app}/pulls`, { method: 'POST', headers: bearer(mine.token), body: text })
    expect(await answer.body.json()).toMatchObject({ head: { ref: branch } })
    expect(github.bodies.at(-1)).toBe(`{"head":"${branch}","title":"Mend it","base":"main"}`)
  })

  test('changes no pull request of another branch, or of a fork’s branch of that name', async () => {
    const one = { htmlUrl: '', fullName: 'acme/app', title: 'Theirs', body: null, base: 'main', draft: false }
    const forked = pullRequest({ ...one, number: 2, head: branch })
    forked.head.repo.full_name = 'stranger/app'
    github.pulls.push(pullRequest({ ...one, number: 1, head: 'theirs' }), forked)
    for (const number of [1, 2]) {
      expect(await call(mine, 'PATCH', `${app}/pulls/${number}`, { title: 'Mine' })).toEqual(
        refusal(403, `this session may change pull requests from ${branch} only`),
      )
    }
    expect(github.pulls.map(({ title }) => title)).toEqual(['Theirs', 'Theirs'])
  })

  test.each([
    ['GET', 'github.com/repos/acme/sibling', 403, 'only what is below repos/acme/app is served here'],
    ['GET', 'github.com/repos/acme/app/../sibling', 403, 'only what is below'],
    ['GET', 'github.com/repos/acme/app/%2e%2e/sibling', 403, 'only what is below'],
    ['GET', 'github.com/repos/acme/app/contents/..%2f..%2fsibling', 403, 'only what is below'],
    ['GET', 'github.com/user', 403, 'only what is below'],
    ['POST', 'github.com/graphql', 403, 'GraphQL is not served here'],
    ['PUT', 'github.com/repos/acme/app/pulls/1/merge', 405, 'PUT repos/acme/app/pulls/1/merge is not served here'],
    ['GET', 'github.com/repos/acme/app/actions/secrets', 405, 'GET'],
    ['GET', 'gitlab.com/projects/acme%2Fapp', 403, "this session's repository is https://github.com/acme/app"],
  ] as const)('refuses %s %s', async (method, path, status, sentence) => {
    expect(await call(mine, method, path, method === 'GET' ? undefined : {})).toEqual(refusal(status, sentence))
    expect(github.requests).toEqual([])
  })

  test('with a token that GitHub does not take looks like a repository that is not there', async () => {
    const secret = { githubToken: 'ghp_other' }
    const other = await gateway.session({ repository: 'https://github.com/acme/app', secret })
    expect(await call(other, 'GET', app)).toEqual(refusal(404, 'github.com has no such repository'))
    expect(await call({ ...mine, token: 'crl_guessed' }, 'GET', app)).toEqual(refusal(401, 'no valid token'))
  })
})

describe('GitLab’s interface', async () => {
  const mine = await gateway.session({ repository: 'https://gitlab.com/acme/team/app', ...callers })
  const branch = `session/${mine.id}`
  const app = 'gitlab.com/projects/acme%2Fteam%2Fapp'

  test('shows the project, makes a merge request from the session’s branch, and changes it', async () => {
    expect(await call(mine, 'GET', app)).toMatchObject({ status: 200, body: { default_branch: 'main' } })
    const wanted = { title: 'Mend it', source_branch: branch, target_branch: 'main' }
    expect(await call(mine, 'POST', `${app}/merge_requests`, wanted)).toMatchObject({ status: 201, body: { iid: 1 } })
    expect(await call(mine, 'PUT', `${app}/merge_requests/1`, { state_event: 'close' })).toMatchObject({ status: 200 })
    expect(await call(mine, 'POST', `${app}/merge_requests`, { ...wanted, source_branch: 'main' })).toEqual(
      refusal(403, `this session may make a pull request from ${branch} only`),
    )
    expect(await call(mine, 'PUT', `${app}/merge_requests/1/merge`, {})).toEqual(refusal(405, 'PUT'))
  })

  test('takes no member from the query, where nobody looks at it', async () => {
    const wanted = { title: 'Mend it', source_branch: branch, target_branch: 'main' }
    for (const query of ['source_branch=main', 'target_project_id=9', '_method=DELETE']) {
      expect(await call(mine, 'POST', `${app}/merge_requests?${query}`, wanted)).toEqual(
        refusal(403, 'a pull request has its members in the body'),
      )
    }
    expect(gitlab.mergeRequests).toEqual([])
  })

  test('shows no other project', async () => {
    for (const project of ['acme%2Fteam%2Fother', '7', 'acme']) {
      expect(await call(mine, 'GET', `gitlab.com/projects/${project}`)).toEqual(refusal(403, 'only what is below'))
    }
  })
})

describe('a host', () => {
  test('that redirects, or quotes the token, gives nothing away', async () => {
    const mine = await gateway.session({ repository: 'https://odd.example/acme/app' })
    expect(await call(mine, 'GET', 'odd.example/repos/acme/app/pulls')).toEqual(refusal(502, 'odd.example redirects'))
    expect(await call(mine, 'GET', 'odd.example/repos/acme/app')).toEqual(refusal(502, 'an answer of odd.example'))
    expect(odd.requests).toHaveLength(2)
    expect(github.requests).toEqual([])
  })

  test('whose interface nobody knows is told so; what the session’s caller says of it counts', async () => {
    const repository = 'https://plain.example/acme/app'
    const path = 'plain.example/repos/acme/app'
    expect(await call(await gateway.session({ repository }), 'GET', path)).toEqual(
      refusal(404, 'which interface plain.example has is not known'),
    )
    const answer = await call(await gateway.session({ repository, platform: 'github' }), 'GET', `${path}/pulls`)
    expect(answer).toEqual(refusal(502, 'plain.example redirects'))
    expect(odd.requests.at(-1)?.path).toBe('/api/v3/repos/acme/app/pulls')
  })
})
