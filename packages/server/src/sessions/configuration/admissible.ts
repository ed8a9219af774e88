/**
 * What the schemas of inputs cannot know of a configuration: what this version and its operator can do, and where Corral
 * may connect to. Asked before anything is written. Source: 30-cloud-agent-api §2, §5, §14.
 */
import {
  CorralError,
  invalidInput,
  type PrepareSessionInput,
  placeholdersIn,
  type SessionPatch,
} from '@corral/protocol'
import type { CallbackTargets } from '../../callbacks/target.ts'
import type { Caller, Membership } from '../../identity/caller.ts'
import type { OutboundPolicy } from '../../outbound/policy.ts'
import type { CodeHostOf } from '../reconciler/commands.ts'

export type Admissible = ReturnType<typeof createAdmissible>

export function createAdmissible(deps: {
  membership: Membership
  callbackTargets: Pick<CallbackTargets, 'admit'>
  outbound: Pick<OutboundPolicy, 'admit'>
  /** A sentence when no upstream takes this model. */
  checkModel(model: string): Promise<string | null>
  codeHost: CodeHostOf
}) {
  async function checkMembers(
    input: Pick<PrepareSessionInput | SessionPatch, 'callbackTarget' | 'mcpServers' | 'model'>,
  ) {
    if (input.model) await checkModel(input.model)
    if (input.callbackTarget) deps.callbackTargets.admit(input.callbackTarget)
    for (const [name, server] of Object.entries(input.mcpServers ?? {})) {
      // One with placeholders is judged where they are filled in, at each call.
      if (server.type === 'stdio' || placeholdersIn(server.url).length > 0) continue
      const member = `mcpServers.${name}.url`
      if (!URL.canParse(server.url)) throw invalidInput(member, 'must be a URL')
      deps.outbound.admit(new URL(server.url), member)
    }
  }

  async function checkModel(model: string, member = 'model'): Promise<void> {
    const refused = await deps.checkModel(model)
    if (refused) throw invalidInput(member, refused)
  }

  return {
    checkModel,
    /** A pull request is made where there is a REST interface that is known. */
    checkPullRequest(repository: string, configuration: Pick<PrepareSessionInput, 'platform' | 'pullRequest'>): void {
      if (!configuration.pullRequest || deps.codeHost({ repository, configuration })) return
      throw invalidInput('pullRequest', 'needs a repository on GitHub or GitLab; "platform" says which it is')
    },
    /** Throws a refusal when a session cannot be prepared with this by that caller. */
    async checkConfiguration(caller: Caller, input: PrepareSessionInput): Promise<void> {
      refuseForeign(caller, input)
      if (input.kilocodeOrganizationId && !(await deps.membership(caller.userId, input.kilocodeOrganizationId))) {
        throw new CorralError('organization_not_found')
      }
      await checkMembers(input)
      for (const [i, model] of (input.fallbackModels ?? []).entries()) await checkModel(model, `fallbackModels.${i}`)
    },
    checkPatch: (patch: SessionPatch) => checkMembers(patch),
  }
}

/** Some members only our own back ends may say. */
function refuseForeign(caller: Caller, input: PrepareSessionInput): void {
  if (caller.internal) return
  for (const member of ['sessionBranch', 'botId'] as const) {
    if (input[member] !== undefined) throw invalidInput(member, 'needs the internal key')
  }
}
