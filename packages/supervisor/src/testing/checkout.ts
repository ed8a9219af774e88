/** For tests: a repository, and a checkout of it on a session's branch, with git as the supervisor runs it there. */
import { join } from 'node:path'
import { type FinalizationData, type FinalizeParams, newExecutionId, newSessionId } from '@corral/protocol'
import type { GatewayCalls } from '../doors/gatewayCalls.ts'
import { finalizeWorkspace } from '../workspaces/finalize.ts'
import { createGit } from '../workspaces/git.ts'
import { writeGitConfig } from '../workspaces/gitConfig.ts'
import { createFolder } from './folder.ts'
import { createRepository, git as look } from './repository.ts'

const nobodyAnswers: GatewayCalls = () => Promise.reject(new Error('nobody was to be called'))

export type Checkout = ReturnType<typeof createCheckout>

export function createCheckout() {
  const folder = createFolder()
  const origin = createRepository(join(folder.path, 'origin.git'))
  const workspace = join(folder.path, 'workspace')
  look(folder.path, 'clone', '--quiet', origin, workspace)
  look(workspace, 'checkout', '--quiet', '-b', 'session/one')
  const repository = { url: origin, doorUrl: origin }
  writeGitConfig(folder.path, { repository, author: { name: 'Corral', email: 'corral@localhost' }, token: 't' })

  const git = () =>
    createGit({
      cwd: workspace,
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder.path, SESSION_ID: newSessionId() },
    })

  return {
    folder,
    origin,
    workspace,
    git,
    /** Gives what is told of it. */
    async finalize(
      change: Partial<FinalizeParams> = {},
      call: GatewayCalls = nobodyAnswers,
    ): Promise<FinalizationData[]> {
      const events: FinalizationData[] = []
      await finalizeWorkspace({
        git: git(),
        params: {
          session: newSessionId(),
          executionId: newExecutionId(),
          commitMessage: 'Say hello louder',
          push: true,
          gateway: { token: 'gateway-token' },
          timeouts: { stepMs: 10_000, pushMs: 10_000, messageMs: 5_000 },
          ...change,
        },
        call,
        emit: (data) => events.push(data),
        log: () => undefined,
        signal: new AbortController().signal,
      })
      return events
    },
  }
}
