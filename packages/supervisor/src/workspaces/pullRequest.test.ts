import { join } from 'node:path'
import { type FinalizationData, type FinalizeParams, newSessionId } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GatewayAnswer, GatewayCall, GatewayCalls } from '../doors/gatewayCalls.ts'
import { createFolder } from '../testing/folder.ts'
import { commitTo, createRepository, git as look } from '../testing/repository.ts'
import { createGit } from './git.ts'
import { openPullRequest } from './pullRequest.ts'
import type { PushEnd } from './push.ts'

const branch = 'session/one'
const host = { kind: 'github', path: '/api/github.com/repos/acme/app', owner: 'acme' } as const

let folder: ReturnType<typeof createFolder>
let workspace: string
beforeEach(() => {
  folder = createFolder()
  const origin = createRepository(join(folder.path, 'origin.git'))
  commitTo(origin, branch, { 'work.txt': 'done' })
  workspace = join(folder.path, 'workspace')
  look(folder.path, 'clone', '--quiet', '--branch', branch, origin, workspace)
})
afterEach(() => folder.remove())

type Wanted = NonNullable<FinalizeParams['pullRequest']>

async function open(
  answers: Record<string, GatewayAnswer | GatewayAnswer[]>,
  options: { wanted?: Partial<Wanted>; pushed?: PushEnd; branch?: string } = {},
) {
  const events: FinalizationData[] = []
  const calls: GatewayCall[] = []
  const call: GatewayCalls = async (asked) => {
    calls.push(asked)
    const key = `${asked.method} ${asked.path.replace(/\?.*/, '')}`
    const answer = answers[key]
    const [next = { status: 404, body: null }] = Array.isArray(answer) ? answer.splice(0, 1) : answer ? [answer] : []
    return next
  }
  await openPullRequest({
    git: createGit({ cwd: workspace, environment: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder.path } }),
    params: {
      session: newSessionId(),
      commitMessage: 'The plain one',
      timeouts: { stepMs: 5_000, pushMs: 5_000, messageMs: 5_000 },
    },
    wanted: { draft: false, host, ...options.wanted },
    branch: options.branch ?? branch,
    pushed: options.pushed ?? 'pushed',
    call,
    emit: (data) => events.push(data),
    signal: new AbortController().signal,
  })
  return { events, calls }
}

const repository = { 'GET /api/github.com/repos/acme/app': { status: 200, body: { default_branch: 'main' } } }
const pulls = '/api/github.com/repos/acme/app/pulls'
const none = { status: 200, body: [] }
const pull = { html_url: 'https://github.com/acme/app/pull/7', number: 7 }
const told = { kind: 'pull_request', branch, success: true, url: pull.html_url, number: 7 }

describe('a pull request', () => {
  it('goes to the default branch, says what was committed, and is told with its address', async () => {
    const answers = { ...repository, [`GET ${pulls}`]: none, [`POST ${pulls}`]: { status: 201, body: pull } }
    const { events, calls } = await open(answers)
    expect(events).toEqual([told])
    expect(calls.at(-1)?.body).toEqual({
      title: `Change ${branch}`,
      head: branch,
      base: 'main',
      draft: false,
      body: expect.stringMatching(/^- Change session\/one\n\nMade by Corral in session agent_/),
    })
    expect(calls.find(({ path }) => path.startsWith(`${pulls}?`))?.path).toContain('head=acme%3Asession%2Fone')
  })

  it('has the title, base and draft state that were asked for', async () => {
    const answers = { [`GET ${pulls}`]: none, [`POST ${pulls}`]: { status: 201, body: pull } }
    const { calls } = await open(answers, { wanted: { title: 'Mend it', base: 'develop', draft: true } })
    expect(calls.at(-1)?.body).toMatchObject({ title: 'Mend it', base: 'develop', draft: true })
  })

  it('that is open already is told, and no other one made', async () => {
    const { events, calls } = await open({ ...repository, [`GET ${pulls}`]: { status: 200, body: [pull] } })
    expect(events).toEqual([{ ...told, message: 'It was open already.' }])
    expect(calls.filter(({ method }) => method === 'POST')).toEqual([])
  })

  it('that somebody opened in between is found', async () => {
    const exists = {
      status: 422,
      body: { errors: [{ message: 'A pull request already exists for acme:session/one.' }] },
    }
    const found = { status: 200, body: [pull] }
    const answers = { ...repository, [`GET ${pulls}`]: [none, found], [`POST ${pulls}`]: exists }
    expect((await open(answers)).events).toEqual([told])
  })

  it.each([
    [422, 'its base may not exist'],
    [404, 'the repository cannot be reached there'],
    [403, 'does not allow it'],
    [500, 'answered with an error (500)'],
  ])('that the host answers with %i is a warning', async (status, sentence) => {
    const answers = { ...repository, [`GET ${pulls}`]: none, [`POST ${pulls}`]: { status, body: { message: 'raw' } } }
    const { events } = await open(answers)
    expect(events).toEqual([
      { kind: 'pull_request', branch, success: false, message: expect.stringContaining(sentence) },
    ])
    expect(JSON.stringify(events)).not.toContain('raw')
  })

  it('is not tried for a branch that is not on the remote, or is the base itself', async () => {
    expect((await open({}, { pushed: 'failed' })).events).toMatchObject([{ success: false, skipped: 'not_pushed' }])
    const unpushed = await open({}, { branch: 'session/two', pushed: 'nothing' })
    expect(unpushed.events).toMatchObject([{ success: true, skipped: 'nothing_to_propose' }])
    expect((await open(repository, { branch: 'main' })).events).toMatchObject([{ skipped: 'same_branch' }])
    expect((await open({}, { wanted: { host: null } })).events).toMatchObject([
      { success: false, message: expect.stringContaining('neither a GitHub nor a GitLab') },
    ])
  })

  it('of GitLab is a merge request', async () => {
    const path = '/api/gitlab.com/projects/acme%2Fapp'
    const merge = { web_url: 'https://gitlab.com/acme/app/-/merge_requests/3', iid: 3 }
    const answers = {
      [`GET ${path}`]: { status: 200, body: { default_branch: 'main' } },
      [`GET ${path}/merge_requests`]: none,
      [`POST ${path}/merge_requests`]: { status: 201, body: merge },
    }
    const { events, calls } = await open(answers, {
      wanted: { host: { kind: 'gitlab', path, owner: 'acme' }, title: 'Mend it', draft: true },
    })
    expect(events).toEqual([{ kind: 'pull_request', branch, success: true, url: merge.web_url, number: 3 }])
    expect(calls.at(-1)?.body).toMatchObject({ title: 'Draft: Mend it', source_branch: branch, target_branch: 'main' })
  })
})
