/**
 * What somebody has typed into the form of a new session. Invariant: what may be secret (`secretMembers`) is held by the
 * page alone and is never kept.
 */
import { z } from 'zod'

const text = z.string().catch('')
const flag = z.boolean().catch(false)
const pair = z.object({ name: z.string(), value: z.string() })
export type Pair = z.output<typeof pair>
const pairs = z.array(pair).catch([])

export const platforms = ['', 'github', 'gitlab'] as const
export const isolations = ['', 'session', 'shared'] as const
export const networkModes = ['', 'allowlist', 'open', 'off', 'off-all'] as const
export const permissionDefaults = ['', 'auto', 'ask', 'deny'] as const

export const draftSchema = z.object({
  repository: text,
  branch: text,
  prompt: text,
  organization: text,
  agent: text,
  model: text,
  mode: z.string().catch('code'),
  variant: text,
  fallbackModels: text,
  appendSystemPrompt: text,
  platform: z.enum(platforms).catch(''),
  token: text,
  envVars: pairs,
  secrets: pairs,
  setupCommands: text,
  mcpServers: text,
  networkMode: z.enum(networkModes).catch(''),
  networkHosts: text,
  permissions: z.enum(permissionDefaults).catch(''),
  permissionRules: text,
  permissionMinutes: text,
  autoCommit: flag,
  condenseOnComplete: flag,
  shallow: flag,
  pullRequest: flag,
  pullRequestTitle: text,
  pullRequestBase: text,
  pullRequestDraft: flag,
  callbackUrl: text,
  callbackHeaders: pairs,
  timeoutMinutes: text,
  isolation: z.enum(isolations).catch(''),
})
export type Draft = z.output<typeof draftSchema>
export type DraftMember = keyof Draft

export const emptyDraft: Draft = draftSchema.parse({})

const secretMembers = ['token', 'secrets', 'mcpServers', 'callbackHeaders'] as const satisfies DraftMember[]

/** As the browser may keep it. The names of secrets stay, so that one sees what has to be given again. */
export function kept(draft: Draft): string {
  const nothing = Object.fromEntries(secretMembers.map((member) => [member, emptyDraft[member]]))
  const secrets = draft.secrets.map(({ name }) => ({ name, value: '' }))
  return JSON.stringify({ ...draft, ...nothing, secrets })
}

/** What an earlier version kept, or somebody has changed, gives what of it can be used. */
export function keptDraft(text: string | null): Draft {
  if (text === null) return emptyDraft
  try {
    const draft = draftSchema.safeParse(JSON.parse(text))
    return draft.success ? draft.data : emptyDraft
  } catch (error) {
    if (error instanceof SyntaxError) return emptyDraft
    throw error
  }
}
