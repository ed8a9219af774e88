/**
 * MCP servers of a session: one program in the workspace (`stdio`), or one address (`sse`, `streamable-http`). A member
 * that belongs to another type is refused. `${env:NAME}` in `env`, `headers`, `args` and `url` stands for a variable or
 * secret of the session. Source: 30-cloud-agent-api §12.
 */
import { z } from 'zod'
import { headers, list, table, text, wholeNumber } from './fields.ts'

const common = {
  disabled: z.boolean().optional(),
  /** Seconds. */
  timeout: wholeNumber(1, 3600).default(60),
  alwaysAllow: list(text({ max: 200 }), 200).optional(),
  disabledTools: list(text({ max: 200 }), 200).optional(),
  watchPaths: list(text({ max: 1000 }), 50).optional(),
}
const program = {
  command: text({ max: 1000 }),
  args: list(text({ min: 0, max: 4096 }), 100).optional(),
  /** Inside the workspace. */
  cwd: text({ max: 1000 })
    .refine((path) => !path.startsWith('/') && !path.split('/').includes('..'), 'must be a path inside the workspace')
    .optional(),
  env: table(
    z
      .string()
      .max(256)
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a valid variable name'),
    text({ min: 0, max: 4096 }),
    50,
  ).optional(),
}
const address = {
  /** May hold placeholders, so it is looked at as an address only once they are filled in. */
  url: text({ max: 2048 }).refine((url) => /^https?:\/\//i.test(url), 'must be an http or https URL'),
  headers: headers.optional(),
}

const remoteTypes = ['sse', 'streamable-http'] as const
const memberSchema = z.strictObject({
  type: z.enum(['stdio', ...remoteTypes]).optional(),
  ...common,
  ...program,
  command: program.command.optional(),
  ...address,
  url: address.url.optional(),
})
type Given = z.output<typeof memberSchema>

type Common = Pick<Given, keyof typeof common>
export type McpProgram = Common & Pick<Given, 'args' | 'cwd' | 'env'> & { type: 'stdio'; command: string }
export type McpAddress = Common & Pick<Given, 'headers'> & { type: (typeof remoteTypes)[number]; url: string }
export type McpServer = McpProgram | McpAddress

export const mcpServerSchema = memberSchema.transform((given, context): McpServer => {
  const refuse = (path: string, message: string) => {
    context.addIssue({ code: 'custom', path: [path], message })
    return z.NEVER
  }
  const { type = given.command === undefined ? undefined : 'stdio', command, args, cwd, env, url, ...rest } = given
  if (type === undefined) return refuse('type', 'is required, unless command is given')
  const foreign = Object.keys(type === 'stdio' ? address : program).find((member) => member in given)
  if (foreign !== undefined) return refuse(foreign, `does not belong to a server of type ${type}`)
  const { headers: sent, ...shared } = rest
  if (type === 'stdio') {
    return command === undefined ? refuse('command', 'is required') : { ...shared, type, command, args, cwd, env }
  }
  return url === undefined ? refuse('url', 'is required') : { ...shared, type, url, headers: sent }
})

export const mcpServers = table(text({ max: 100 }), mcpServerSchema, 20)
