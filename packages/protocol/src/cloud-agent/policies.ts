/**
 * What a session's agent may do by itself (`permissions`), reach (`network`) and share (`isolation`). Sources:
 * 32-tasks-acp "Permissions in the cloud", 20-sandbox-gateway.
 */
import { z } from 'zod'
import { list, text, wholeNumber } from './fields.ts'

export const permissionActions = ['auto', 'ask', 'deny'] as const

/** The last rule that fits a tool wins, else `default`. */
export const permissionsSchema = z.strictObject({
  default: z.enum(permissionActions).default('auto'),
  rules: list(
    z.strictObject({
      /** As the agent names it: `edit`, `bash`, `webfetch`, `task`, `external_directory`, …, or a tool of an MCP server. */
      tool: text({ max: 200 }),
      /** Of what the tool is used on, such as a command. */
      pattern: text({ max: 1000 }).optional(),
      action: z.enum(permissionActions),
    }),
    100,
  ).default([]),
  /** How long an ask stays open before it is rejected. */
  deadline_seconds: wholeNumber(60, 86_400).default(1800),
})
export type Permissions = z.infer<typeof permissionsSchema>

export const networkSchema = z.strictObject({
  /** `off` leaves the package registries open, `off-all` nothing. */
  mode: z.enum(['off-all', 'off', 'allowlist', 'open']).default('allowlist'),
  /** Beside those that the operator and the session's MCP servers name. */
  hosts: list(text({ max: 253 }), 100).default([]),
})
export type Network = z.infer<typeof networkSchema>

export const isolationSchema = z.enum(['session', 'shared'])
