/**
 * A session's configuration: made of what it is prepared with, and changed by patches until it is initiated. Pure. What
 * may be secret is a part of its own, which is sealed; the other part holds its counts. Source: 30-cloud-agent-api §5, §6.
 */
import type { PrepareSessionInput, SessionPatch } from '@corral/protocol'
import type { SessionConfiguration } from '../../database/schema.ts'
import { countsOf, type SecretConfiguration } from './sealedConfiguration.ts'

export type Configuration = { shown: SessionConfiguration; secret: SecretConfiguration }

export function configurationOf(input: PrepareSessionInput): Configuration {
  const secret: SecretConfiguration = {
    envVars: input.envVars ?? {},
    setupCommands: input.setupCommands ?? [],
    githubToken: input.githubToken,
    gitToken: input.gitToken,
    mcpServers: input.mcpServers ?? {},
    callbackTarget: input.callbackTarget,
    encryptedSecrets: input.encryptedSecrets ?? {},
  }
  const shown: SessionConfiguration = {
    prompt: input.prompt,
    mode: input.mode,
    model: input.model,
    variant: input.variant,
    githubRepo: input.githubRepo,
    gitUrl: input.gitUrl,
    upstreamBranch: input.upstreamBranch,
    autoCommit: input.autoCommit ?? false,
    condenseOnComplete: input.condenseOnComplete ?? false,
    shallow: input.shallow ?? false,
    appendSystemPrompt: input.appendSystemPrompt,
    platform: input.platform,
    network: input.network,
    pullRequest: input.pullRequest,
    permissions: input.permissions,
    fallbackModels: input.fallbackModels,
    timeoutMs: input.timeoutMs,
    sessionBranch: input.sessionBranch,
    isolation: input.isolation,
    createdOnPlatform: input.createdOnPlatform ?? 'cloud-agent',
    ...countsOf(secret),
  }
  return { shown, secret }
}

/** What is absent stays, `null` clears to the default, anything else replaces the old value whole. */
export function patched(
  { shown, secret }: Configuration,
  patch: SessionPatch,
  defaults: { model: string },
): Configuration {
  const next: SecretConfiguration = {
    envVars: patch.envVars ?? secret.envVars,
    setupCommands: patch.setupCommands ?? secret.setupCommands,
    githubToken: after(secret.githubToken, patch.githubToken),
    gitToken: after(secret.gitToken, patch.gitToken),
    mcpServers: patch.mcpServers ?? secret.mcpServers,
    callbackTarget: after(secret.callbackTarget, patch.callbackTarget),
    encryptedSecrets: patch.encryptedSecrets ?? secret.encryptedSecrets,
  }
  return {
    secret: next,
    shown: {
      ...shown,
      mode: after(shown.mode, patch.mode, 'code'),
      model: after(shown.model, patch.model, defaults.model),
      variant: after(shown.variant, patch.variant),
      upstreamBranch: after(shown.upstreamBranch, patch.upstreamBranch),
      autoCommit: after(shown.autoCommit, patch.autoCommit, false),
      condenseOnComplete: after(shown.condenseOnComplete, patch.condenseOnComplete, false),
      appendSystemPrompt: after(shown.appendSystemPrompt, patch.appendSystemPrompt),
      pullRequest: after(shown.pullRequest, patch.pullRequest),
      ...countsOf(next),
    },
  }
}

function after<Value>(before: Value, patch: Value | null | undefined, cleared: Value): Value
function after<Value>(before: Value | undefined, patch: Value | null | undefined): Value | undefined
function after<Value>(before: Value, patch: Value | null | undefined, cleared?: Value): Value | undefined {
  if (patch === undefined) return before
  return patch === null ? cleared : patch
}

/** What the workspace was made with; after a change of it, it is made anew. */
const usedByPreparation = [
  'upstreamBranch',
  'githubToken',
  'gitToken',
  'envVars',
  'encryptedSecrets',
  'setupCommands',
  'mcpServers',
] as const satisfies (keyof SessionPatch)[]

export const changesPreparation = (patch: SessionPatch): boolean =>
  usedByPreparation.some((member) => patch[member] !== undefined)
