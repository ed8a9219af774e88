/** What is set in a folded section, in a few words: pure. */
import type { Draft } from './draft.ts'
import { filled, linesIn } from './request.ts'

const counted = (count: number, noun: string) => (count === 0 ? null : `${count} ${noun}${count === 1 ? '' : 's'}`)
const joined = (parts: readonly (string | null | false)[], otherwise: string) =>
  parts.filter((part) => part).join(', ') || otherwise

export const summaries = {
  environment: ({ envVars, secrets, setupCommands }: Draft) =>
    joined(
      [
        counted(filled(envVars).length, 'variable'),
        counted(filled(secrets).length, 'secret'),
        counted(linesIn(setupCommands).length, 'setup command'),
      ],
      'variables, secrets, setup commands',
    ),
  result: ({ autoCommit, pullRequest, callbackUrl }: Draft) =>
    joined(
      [
        autoCommit && 'committed and pushed',
        autoCommit && pullRequest && 'a pull request',
        callbackUrl !== '' && 'a callback',
      ],
      'commit, pull request, callback',
    ),
  agent: ({ appendSystemPrompt, mcpServers, variant, fallbackModels, timeoutMinutes, condenseOnComplete }: Draft) =>
    joined(
      [
        appendSystemPrompt !== '' && 'instructions',
        mcpServers.trim() !== '' && 'MCP servers',
        variant !== '' && `variant ${variant}`,
        counted(linesIn(fallbackModels).length, 'other model'),
        timeoutMinutes !== '' && `${timeoutMinutes} min`,
        condenseOnComplete && 'condensed',
      ],
      'instructions, MCP servers, other models, time',
    ),
  rights: ({ networkMode, networkHosts, permissions, permissionRules, isolation }: Draft) =>
    joined(
      [
        networkMode !== '' && `web: ${networkMode}`,
        counted(linesIn(networkHosts).length, 'host'),
        permissions !== '' && `tools: ${permissions}`,
        permissionRules.trim() !== '' && 'rules',
        isolation !== '' && `sandbox: ${isolation}`,
      ],
      'web, tools, sandbox',
    ),
  repository: ({ organization, token, platform, shallow }: Draft) =>
    joined(
      [
        organization !== '' && 'for an organization',
        token !== '' && 'a token',
        platform !== '' && platform,
        shallow && 'without history',
      ],
      'organization, token, clone',
    ),
} as const
