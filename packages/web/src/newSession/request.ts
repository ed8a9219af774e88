/**
 * The form of a new session as what `start` takes, checked by the schemas of the API itself, so that what is wrong stands
 * at its field before anything is sent: pure. What is left empty is left out, and is the server's to decide.
 */
import {
  configurationShape,
  type PrepareSessionInput,
  prepareSessionInput,
  type SecretEnvelope,
} from '@corral/protocol'
import type { z } from 'zod'
import type { Draft, DraftMember, Pair } from './draft.ts'

export type StartInput = PrepareSessionInput
export type FieldErrors = Partial<Record<DraftMember, string>>
export type Checked = { ok: true; input: StartInput } | { ok: false; errors: FieldErrors }

/** Where a session comes from, for lists. */
const createdOnPlatform = 'web'
const minuteMs = 60_000

/** Without its secrets, which `withSecrets` adds once they are encrypted. */
export function checked(draft: Draft): Checked {
  const { input, errors } = assembled(draft)
  const found: FieldErrors = { ...errors }
  const parsed = prepareSessionInput.safeParse(input)
  // The secrets' names are held to the same rules as those of variables.
  const names = configurationShape.envVars.safeParse(
    Object.fromEntries(filled(draft.secrets).map(({ name }) => [name, ''])),
  )
  const issues = [
    ...(parsed.error?.issues ?? []),
    ...(names.error?.issues ?? []).map((issue) => ({ ...issue, path: ['encryptedSecrets', ...issue.path] })),
  ]
  for (const issue of issues) addError(found, { path: issue.path.map(String).join('.'), message: messageOf(issue) })
  return parsed.success && Object.keys(found).length === 0
    ? { ok: true, input: parsed.data }
    : { ok: false, errors: found }
}

/** Of a key that is not allowed, its own reason says more. */
const messageOf = (issue: z.core.$ZodIssue): string =>
  (issue.code === 'invalid_key' && issue.issues[0]?.message) || issue.message

export function withSecrets(input: StartInput, secrets: Record<string, SecretEnvelope>, clientId: string): StartInput {
  return { ...input, clientId, ...(Object.keys(secrets).length > 0 && { encryptedSecrets: secrets }) }
}

/** Of the server's refusals; null when they name no field of the form. */
export function errorsOf(details: readonly { path: string; message: string }[]): FieldErrors | null {
  const found: FieldErrors = {}
  for (const detail of details) addError(found, detail)
  return Object.keys(found).length > 0 ? found : null
}

export const filled = (pairs: readonly Pair[]): Pair[] => pairs.filter(({ name, value }) => name !== '' || value !== '')
export const linesIn = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)

function assembled(draft: Draft): { input: object; errors: FieldErrors } {
  const errors: FieldErrors = {}
  const isGithub = isOnGithub(draft.repository)
  const setupCommands = linesIn(draft.setupCommands)
  const fallbackModels = linesIn(draft.fallbackModels)
  const hosts = linesIn(draft.networkHosts)
  const rules = jsonOf(draft.permissionRules, 'permissionRules', errors)
  const servers = jsonOf(draft.mcpServers, 'mcpServers', errors)
  const headers = tableOf(draft.callbackHeaders, 'callbackHeaders', errors)
  const envVars = tableOf(draft.envVars, 'envVars', errors)
  tableOf(draft.secrets, 'secrets', errors)
  if (filled(draft.secrets).some(({ value }) => value === '')) errors.secrets ??= 'Each secret needs a value.'
  const isAskingForPermissions = draft.permissions !== '' || rules !== undefined || draft.permissionMinutes !== ''
  const input = {
    prompt: draft.prompt.trim(),
    mode: draft.mode,
    model: draft.model.trim(),
    createdOnPlatform,
    ...repositoryOf(draft.repository),
    ...given('variant', draft.variant),
    ...given('upstreamBranch', draft.branch),
    ...given('kilocodeOrganizationId', draft.organization),
    ...given('agentKind', draft.agent),
    ...given('platform', draft.platform),
    ...given('appendSystemPrompt', draft.appendSystemPrompt),
    ...given(isGithub ? 'githubToken' : 'gitToken', draft.token),
    ...given('isolation', draft.isolation),
    ...(Object.keys(envVars).length > 0 && { envVars }),
    ...(setupCommands.length > 0 && { setupCommands }),
    ...(fallbackModels.length > 0 && { fallbackModels }),
    ...(servers !== undefined && { mcpServers: servers }),
    ...((draft.networkMode !== '' || hosts.length > 0) && {
      network: { ...given('mode', draft.networkMode), ...(hosts.length > 0 && { hosts }) },
    }),
    ...(isAskingForPermissions && {
      permissions: {
        ...given('default', draft.permissions),
        ...(rules !== undefined && { rules }),
        ...(draft.permissionMinutes !== '' && { deadline_seconds: Number(draft.permissionMinutes) * 60 }),
      },
    }),
    ...(draft.autoCommit && { autoCommit: true }),
    ...(draft.condenseOnComplete && { condenseOnComplete: true }),
    ...(draft.shallow && { shallow: true }),
    ...(draft.autoCommit &&
      draft.pullRequest && {
        pullRequest: {
          ...given('title', draft.pullRequestTitle),
          ...given('base', draft.pullRequestBase),
          ...(draft.pullRequestDraft && { draft: true }),
        },
      }),
    ...((draft.callbackUrl !== '' || Object.keys(headers).length > 0) && {
      callbackTarget: { url: draft.callbackUrl.trim(), ...(Object.keys(headers).length > 0 && { headers }) },
    }),
    ...(draft.timeoutMinutes !== '' && { timeoutMs: Number(draft.timeoutMinutes) * minuteMs }),
  }
  return { input, errors }
}

const given = <Name extends string>(name: Name, value: string) => (value.trim() === '' ? {} : { [name]: value.trim() })

const shortName = /^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/

function repositoryOf(typed: string): { githubRepo: string } | { gitUrl: string } {
  const repository = typed.trim()
  return repository === '' || shortName.test(repository) ? { githubRepo: repository } : { gitUrl: repository }
}

const isOnGithub = (repository: string) =>
  shortName.test(repository.trim()) || /^(https:\/\/|git@|ssh:\/\/git@)github\.com[/:]/i.test(repository.trim())

function tableOf(pairs: readonly Pair[], member: DraftMember, errors: FieldErrors): Record<string, string> {
  const names = filled(pairs).map(({ name }) => name.trim())
  if (names.includes('')) errors[member] ??= 'Each needs a name.'
  const twice = names.find((name, place) => name !== '' && names.indexOf(name) !== place)
  if (twice !== undefined) errors[member] ??= `${twice} is there twice.`
  return Object.fromEntries(filled(pairs).map(({ name, value }) => [name.trim(), value]))
}

function jsonOf(text: string, member: DraftMember, errors: FieldErrors): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    errors[member] = `This is not JSON: ${error.message}.`
    return undefined
  }
}

/** Which field shows a member of the input, by the beginning of its path; longer ones first. */
const fieldOf: readonly (readonly [path: string, member: DraftMember])[] = [
  ['permissions.rules', 'permissionRules'],
  ['permissions.deadline_seconds', 'permissionMinutes'],
  ['permissions', 'permissions'],
  ['network.hosts', 'networkHosts'],
  ['network', 'networkMode'],
  ['callbackTarget.headers', 'callbackHeaders'],
  ['callbackTarget', 'callbackUrl'],
  ['pullRequest.title', 'pullRequestTitle'],
  ['pullRequest.base', 'pullRequestBase'],
  ['pullRequest', 'pullRequest'],
  ['githubRepo', 'repository'],
  ['gitUrl', 'repository'],
  ['githubToken', 'token'],
  ['gitToken', 'token'],
  ['upstreamBranch', 'branch'],
  ['kilocodeOrganizationId', 'organization'],
  ['agentKind', 'agent'],
  ['encryptedSecrets', 'secrets'],
  ['timeoutMs', 'timeoutMinutes'],
  ...(
    [
      ...(['prompt', 'mode', 'model', 'variant', 'fallbackModels', 'appendSystemPrompt', 'platform'] as const),
      ...(['envVars', 'setupCommands', 'mcpServers', 'autoCommit', 'isolation'] as const),
    ] satisfies DraftMember[]
  ).map((member) => [member, member] as const),
]

const emptyMessages: FieldErrors = {
  prompt: 'Say what the agent should do.',
  model: 'Choose a model.',
  repository: 'Choose a repository.',
}

function addError(errors: FieldErrors, { path, message }: { path: string; message: string }): void {
  const [prefix, member] = fieldOf.find(([start]) => path === start || path.startsWith(`${start}.`)) ?? []
  if (prefix === undefined || member === undefined || errors[member] !== undefined) return
  const inside = path.slice(prefix.length + 1)
  const isEmpty = message.startsWith('must have at least 1 ')
  const sentence = /^[A-Z]/.test(message) ? message : `${inside === '' ? 'This' : inside} ${message}.`
  errors[member] = (isEmpty && inside === '' && emptyMessages[member]) || sentence
}
