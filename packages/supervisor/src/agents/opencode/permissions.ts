/**
 * A session's policy in the words of OpenCode's and Kilo's configuration, where `allow` goes on, `ask` waits and the
 * last rule that matches wins. Pure. Invariant: nothing here lets an agent do what the policy has somebody asked about,
 * or refuses; `auto` leaves the limits of the agent's own modes (a plan changes no file) as they are.
 */
import { type ExecuteParams, type PermissionAction, type Permissions, permissionAction } from '@corral/protocol'
import { z } from 'zod'

type AgentAction = 'allow' | 'ask' | 'deny'
export type AgentRule = { permission: string; pattern: string; action: AgentAction }
type Patterns = Record<string, AgentAction>

const actions = { auto: 'allow', ask: 'ask', deny: 'deny' } as const satisfies Record<PermissionAction, AgentAction>

/**
 * What the agents ask about by themselves. Folders outside of the workspace among them: the sandbox is the border, and a
 * refusal would take whole commands along (`cat /proc/net/dev`).
 */
const askedByDefault = ['bash', 'doom_loop', 'external_directory', 'read']

/** `ask` lets the agent ask questions; otherwise it has nobody to ask. */
export const mayAsk = (policy: Permissions): boolean =>
  permissionAction(policy, { tool: 'question', pattern: '*' }) === 'ask'

/** As the agents' configuration has it: several tools take an action alone, and no patterns. */
export const permissionConfig = (policy: Permissions): Record<string, AgentAction | Patterns> =>
  Object.fromEntries(
    Object.entries(rulesByTool(policy)).map(([tool, patterns]) => {
      const whole = patterns['*']
      return [tool, whole && Object.keys(patterns).length === 1 ? whole : patterns]
    }),
  )

/**
 * In the order of the policy. A rule takes the place of those before it that it covers, so that the order of keys in
 * JSON is the order of the rules.
 */
function rulesByTool(policy: Permissions): Record<string, Patterns> {
  let rules = startOf(policy.default)
  for (const { tool, pattern = '*', action } of policy.rules) {
    if (tool === '*') rules = startOf(action)
    else {
      const { [pattern]: _, ...others } = pattern === '*' ? {} : (rules[tool] ?? {})
      rules[tool] = { ...others, [pattern]: actions[action] }
    }
  }
  return { ...rules, question: { '*': mayAsk(policy) ? 'allow' : 'deny' } }
}

function startOf(action: PermissionAction): Record<string, Patterns> {
  if (action !== 'auto') return { '*': { '*': actions[action] } }
  return Object.fromEntries(askedByDefault.map((tool) => [tool, { '*': 'allow' }]))
}

/** Whether the policy has a word on changing files, which would come behind what a planning mode forbids. */
export const touchesEdit = (policy: Permissions): boolean =>
  ['*', 'edit'].some((tool) => Object.hasOwn(rulesByTool(policy), tool))

/**
 * What is denied whatever it is used on, for the session itself: sub-agents inherit it behind what their own kind may do.
 */
export const deniedTools = (policy: Permissions): AgentRule[] =>
  Object.entries(rulesByTool(policy))
    .filter(([permission, patterns]) => permission !== '*' && Object.values(patterns).every((it) => it === 'deny'))
    .map(([permission]) => ({ permission, pattern: '*', action: 'deny' }))

const strictness = { auto: 0, ask: 1, deny: 2 } as const satisfies Record<PermissionAction, number>

/** Of one use of a tool that the agent has asked about; the strictest of what it is used on decides. */
export function actionOn(
  { permissions, alwaysAllowed }: Pick<ExecuteParams, 'permissions' | 'alwaysAllowed'>,
  use: { permission: string; patterns: readonly string[] },
): PermissionAction {
  const allowed: Permissions = {
    default: 'ask',
    rules: alwaysAllowed.map((rule) => ({ ...rule, action: 'auto' as const })),
  }
  const found = (use.patterns.length > 0 ? use.patterns : ['*']).map((pattern): PermissionAction => {
    const action = permissionAction(permissions, { tool: use.permission, pattern })
    return action === 'ask' ? permissionAction(allowed, { tool: use.permission, pattern }) : action
  })
  return found.reduce((a, b) => (strictness[b] > strictness[a] ? b : a))
}

const permissionSchema = z.union([
  z.string(),
  z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())])),
])
const agentsSchema = z.record(
  z.string(),
  z.looseObject({ permission: permissionSchema.optional(), tools: z.record(z.string(), z.boolean()).optional() }),
)
/** The agent's configuration with everything merged, as `/config` tells it. */
export const mergedConfigSchema = z.looseObject({ agent: agentsSchema.nullish(), mode: agentsSchema.nullish() })

/**
 * The first agent of the repository's own configuration that would be allowed more than the policy says, in words; its
 * rules come behind ours. Null when there is none.
 */
export function loosened(policy: Permissions, config: z.infer<typeof mergedConfigSchema>): string | null {
  if (policy.default === 'auto' && policy.rules.every(({ action }) => action === 'auto')) return null
  for (const [agent, { permission, tools }] of Object.entries({ ...config.mode, ...config.agent })) {
    for (const { tool, pattern, action } of [...rulesOf(permission), ...rulesOfTools(tools)]) {
      if (action !== 'allow' && action !== 'ask') continue
      const wanted = strictest(policy, tool, pattern)
      if (strictness[action === 'allow' ? 'auto' : 'ask'] < strictness[wanted])
        return `The repository's agent "${agent}" may use "${tool}" by its own configuration, while the permissions of this session say ${wanted}.`
    }
  }
  return null
}

function rulesOf(permission: z.infer<typeof permissionSchema> | undefined) {
  if (permission === undefined) return []
  if (typeof permission === 'string') return [{ tool: '*', pattern: '*', action: permission }]
  return Object.entries(permission).flatMap(([tool, value]) =>
    typeof value === 'string'
      ? [{ tool, pattern: '*', action: value }]
      : Object.entries(value).map(([pattern, action]) => ({ tool, pattern, action })),
  )
}

/** The older form: a tool that is on is allowed. */
const rulesOfTools = (tools: Record<string, boolean> = {}) =>
  Object.entries(tools)
    .filter(([, on]) => on)
    .map(([tool]) => ({ tool, pattern: '*', action: 'allow' }))

/** What the policy says at its strictest of a tool, or of all that a wildcard may stand for. */
function strictest(policy: Permissions, tool: string, pattern: string): PermissionAction {
  const plain = !/[*?]/.test(tool)
  if (plain && !/[*?]/.test(pattern)) return permissionAction(policy, { tool, pattern })
  const concerned = policy.rules.filter((rule) => rule.tool === '*' || !plain || rule.tool === tool)
  return [permissionAction(policy, { tool, pattern }), ...concerned.map(({ action }) => action)].reduce((a, b) =>
    strictness[b] > strictness[a] ? b : a,
  )
}
