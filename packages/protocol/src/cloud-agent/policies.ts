/**
 * What a session's agent may do by itself (`permissions`), reach (`network`) and share (`isolation`). Sources:
 * 32-tasks-acp "Permissions in the cloud", 20-sandbox-gateway.
 */
import { z } from 'zod'
import { formed, list, text, wholeNumber } from './fields.ts'

export const permissionActions = ['auto', 'ask', 'deny'] as const
export type PermissionAction = (typeof permissionActions)[number]

/** The agents take no patterns for these. */
const withoutPattern = new Set(['*', 'question', 'todowrite', 'webfetch', 'websearch', 'doom_loop'])

const permissionRuleSchema = z
  .strictObject({
    /**
     * As the agent names it: `edit`, `bash`, `webfetch`, `task`, `question`, …, or a tool of an MCP server; `*` for all.
     */
    tool: formed(/^(\*|[A-Za-z][A-Za-z0-9_-]*)$/, 'must be the name of a tool, or *', { max: 200 }),
    /** Of what the tool is used on, such as a command. `*` stands for anything, `?` for one character. */
    pattern: text({ max: 1000 })
      // JSON puts a key of digits before all others, and the order is what decides.
      .regex(/\D/, 'must not be a number')
      .optional(),
    action: z.enum(permissionActions),
  })
  .refine((rule) => rule.pattern === undefined || !withoutPattern.has(rule.tool), {
    message: 'is not for this tool, which is allowed or not as a whole',
    path: ['pattern'],
  })

/**
 * Who is asked before an agent uses a tool: the last rule that fits wins, else `default`. `auto` goes on without a person,
 * `ask` waits for one, `deny` refuses at once. Questions are the tool `question`: only `ask` lets the agent ask them,
 * since nobody answers on behalf of people.
 */
export const permissionsSchema = z.strictObject({
  default: z.enum(permissionActions).default('auto'),
  rules: list(permissionRuleSchema, 100).default([]),
  /** How long an ask stays open before it is rejected; half an hour when nothing is said. */
  deadline_seconds: wholeNumber(60, 86_400).optional(),
})
export type Permissions = z.infer<typeof permissionsSchema>

/** Nothing waits for anybody. */
export const defaultPermissions: Permissions = { default: 'auto', rules: [] }

export const networkSchema = z.strictObject({
  /** `off` leaves the package registries open, `off-all` nothing. */
  mode: z.enum(['off-all', 'off', 'allowlist', 'open']).default('allowlist'),
  /** Beside those that the operator and the session's MCP servers name. */
  hosts: list(text({ max: 253 }), 100).default([]),
})
export type Network = z.infer<typeof networkSchema>

export const visitRefusals = ['off', 'not_listed', 'port', 'git_host', 'address', 'server_name'] as const
/**
 * Why the web proxy did not let a program through: the session's policy is off; the host is not listed, or not with this
 * port; it is a host of code, which git reaches alone; its name has no address that is allowed; TLS named another server.
 */
export type VisitRefusal = (typeof visitRefusals)[number]

export const isolationSchema = z.enum(['session', 'shared'])
export type Isolation = z.infer<typeof isolationSchema>
