/**
 * Opens a pull request from the branch that was pushed, once: an open one of that branch is found and told instead.
 * What fails is told and changes no outcome.
 */
import type { FinalizationData, FinalizeParams } from '@corral/protocol'
import type { GatewayCalls } from '../doors/gatewayCalls.ts'
import { createCodeHostApi, HostRefused } from './codeHostApi.ts'
import { type Git, line } from './git.ts'
import type { PushEnd } from './push.ts'

type Wanted = NonNullable<FinalizeParams['pullRequest']>

const maxCommits = 50

export async function openPullRequest(options: {
  git: Git
  params: Pick<FinalizeParams, 'session' | 'commitMessage' | 'timeouts'>
  wanted: Wanted
  branch: string
  pushed: PushEnd
  call: GatewayCalls
  emit(data: FinalizationData): void
  signal: AbortSignal
}): Promise<void> {
  const { git, params, wanted, branch, pushed, call, signal } = options
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const emit = (data: Omit<FinalizationData, 'kind' | 'branch' | 'success'> & { success: boolean }) =>
    options.emit({ kind: 'pull_request', branch, ...data })
  if (pushed === 'failed') return emit({ success: false, skipped: 'not_pushed' })
  const remote = await line(git, ['rev-parse', '--verify', '--quiet', `refs/remotes/origin/${branch}`], bounds)
  if (remote === null) return emit({ success: true, skipped: 'nothing_to_propose' })

  try {
    if (!wanted.host) throw new HostRefused('its host is neither a GitHub nor a GitLab')
    const api = createCodeHostApi({ host: wanted.host, call, ...bounds })
    const base = wanted.base ?? (await api.defaultBranch())
    if (base === branch) return emit({ success: true, skipped: 'same_branch' })
    const open = await api.find(branch)
    if (open) return emit({ success: true, ...open, message: 'It was open already.' })
    const { title, body } = await describe()
    const made = (await api.create({ title, body, branch, base, draft: wanted.draft })) ?? (await api.find(branch))
    if (!made) throw new HostRefused('the code host says there is one already, and does not show it')
    emit({ success: true, ...made })

    async function describe() {
      const range = `refs/remotes/origin/${base}..HEAD`
      const log = await git(['log', `-${maxCommits}`, '--reverse', '--format=- %s', range], bounds)
      const subject = await line(git, ['log', '-1', '--format=%s'], bounds)
      const commits = log.code === 0 ? log.stdout.trim() : ''
      return {
        title: wanted.title ?? subject ?? params.commitMessage,
        body: `${commits && `${commits}\n\n`}Made by Corral in session ${params.session}.`,
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof HostRefused)) throw error
    emit({ success: false, message: `The pull request could not be opened: ${error.message}.` })
  }
}
