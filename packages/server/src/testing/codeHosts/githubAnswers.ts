/**
 * For tests: GitHub's answers as its own description of the REST interface has them, whole; the compiler compares them
 * with `@octokit/openapi-types`.
 */
import type { components } from '@octokit/openapi-types'

type Schemas = components['schemas']

const at = '2026-01-01T00:00:00Z'

const simpleUser = (login: string) =>
  ({
    ...{ login, id: 1, node_id: 'U_1', avatar_url: '', gravatar_id: '', type: 'User', site_admin: false },
    ...{ url: `/users/${login}`, html_url: `/${login}`, followers_url: '', following_url: '', gists_url: '' },
    ...{ starred_url: '', subscriptions_url: '', organizations_url: '', repos_url: '', events_url: '' },
    received_events_url: '',
  }) satisfies Schemas['simple-user']

const repositoryFields = (fullName: string) => {
  const [owner = '', name = ''] = fullName.split('/')
  return {
    ...{ id: 10, node_id: 'R_10', name, full_name: fullName, owner: simpleUser(owner), private: true },
    ...{ html_url: `/${fullName}`, description: null, fork: false, url: `/repos/${fullName}`, archive_url: '' },
    ...{ assignees_url: '', blobs_url: '', branches_url: '', collaborators_url: '', comments_url: '', commits_url: '' },
    ...{ compare_url: '', contents_url: '', contributors_url: '', deployments_url: '', downloads_url: '' },
    ...{ events_url: '', forks_url: '', git_commits_url: '', git_refs_url: '', git_tags_url: '', git_url: '' },
    ...{ issue_comment_url: '', issue_events_url: '', issues_url: '', keys_url: '', labels_url: '' },
    ...{ languages_url: '', merges_url: '', milestones_url: '', notifications_url: '', pulls_url: '' },
    ...{ releases_url: '', ssh_url: '', stargazers_url: '', statuses_url: '', subscribers_url: '' },
    ...{ subscription_url: '', tags_url: '', teams_url: '', trees_url: '', clone_url: '', mirror_url: null },
    ...{ hooks_url: '', svn_url: '', homepage: null, language: null, forks_count: 0, stargazers_count: 0 },
    ...{ watchers_count: 0, size: 1, default_branch: 'main', open_issues_count: 0, is_template: false, topics: [] },
    ...{ has_issues: true, has_projects: false, has_wiki: false, has_pages: false, has_downloads: true },
    ...{ has_discussions: false, archived: false, disabled: false, visibility: 'private', pushed_at: at },
    ...{ created_at: at, updated_at: at, forks: 0, open_issues: 0, watchers: 0, license: null },
    permissions: { admin: false, pull: true, push: true },
  }
}

export const fullRepository = (fullName: string) =>
  ({ ...repositoryFields(fullName), subscribers_count: 0, network_count: 0 }) satisfies Schemas['full-repository']

export const installation = (id: number, owner: string, suspended: boolean) =>
  ({
    ...{ id, account: simpleUser(owner), repository_selection: 'selected', access_tokens_url: '' },
    ...{ repositories_url: '', html_url: '', app_id: 1, target_id: 1, target_type: 'Organization' },
    ...{ permissions: { contents: 'write', metadata: 'read', pull_requests: 'write' }, events: [] },
    ...{ created_at: at, updated_at: at, single_file_name: null, app_slug: 'corral' },
    ...{ suspended_by: null, suspended_at: suspended ? at : null },
  }) as const satisfies Schemas['installation']

export const installationToken = (token: string, expiresAt: Date) =>
  ({
    ...{ token, expires_at: expiresAt.toISOString(), repository_selection: 'selected' },
    permissions: { contents: 'write', metadata: 'read', pull_requests: 'write' },
  }) as const satisfies Schemas['installation-token']

export type PullRequest = Schemas['pull-request']

export function pullRequest(of: {
  htmlUrl: string
  fullName: string
  number: number
  title: string
  body: string | null
  head: string
  base: string
  draft: boolean
}) {
  const [owner = ''] = of.fullName.split('/')
  const url = `/repos/${of.fullName}/pulls/${of.number}`
  const link = { href: url }
  const side = (ref: string) => ({
    ...{ label: `${owner}:${ref}`, ref, sha: '0'.repeat(40) },
    ...{ user: simpleUser(owner), repo: repositoryFields(of.fullName) },
  })
  return {
    ...{ url, id: 1000 + of.number, node_id: `PR_${of.number}`, html_url: of.htmlUrl, diff_url: '', patch_url: '' },
    ...{ issue_url: '', commits_url: '', review_comments_url: '', review_comment_url: '', comments_url: '' },
    ...{ statuses_url: '', number: of.number, state: 'open', locked: false, title: of.title, body: of.body },
    ...{ user: simpleUser('corral[bot]'), labels: [], milestone: null, created_at: at, updated_at: at },
    ...{ closed_at: null, merged_at: null, merge_commit_sha: null, assignee: null, assignees: [] },
    ...{ head: side(of.head), base: side(of.base), author_association: 'NONE', auto_merge: null, draft: of.draft },
    _links: {
      ...{ comments: link, commits: link, statuses: link, html: link, issue: link },
      ...{ review_comments: link, review_comment: link, self: link },
    },
    ...{ merged: false, mergeable: true, mergeable_state: 'clean', merged_by: null, comments: 0 },
    ...{ review_comments: 0, maintainer_can_modify: false, commits: 1, additions: 1, deletions: 0, changed_files: 1 },
  } satisfies PullRequest
}

export type ValidationError = Schemas['validation-error']
export type BasicError = Schemas['basic-error']
