/**
 * A session's MCP servers in the agent's own configuration. Programs run in the sandbox; remote servers are reached at
 * the gateway's door, which knows their addresses and headers. Placeholders are filled in here, in memory: the agent
 * would put the bare value into the text of its configuration, where a quote would break all of it.
 */
import { filledIn, type McpServer, type Permissions } from '@corral/protocol'
import { missingVariables } from '../../mcp/missing.ts'

export type McpAccess = {
  servers: Readonly<Record<string, McpServer>>
  variables: Readonly<Record<string, string>>
  gatewayOrigin: string
  token: string
}

export const mcpConfiguration = (access: McpAccess): Record<string, object> =>
  Object.fromEntries(
    Object.entries(access.servers).map(([name, server]) => {
      const enabled = !server.disabled && missingVariables(server, access.variables).length === 0
      return [name, { ...connection(name, server, access), enabled, timeout: server.timeout * 1000 }]
    }),
  )

function connection(name: string, server: McpServer, { variables, gatewayOrigin, token }: McpAccess): object {
  if (server.type !== 'stdio') {
    return {
      type: 'remote',
      url: `${gatewayOrigin}/mcp/${encodeURIComponent(name)}`,
      headers: { Authorization: `Bearer ${token}` },
      // Who may use the server is settled outside of the sandbox.
      oauth: false,
    }
  }
  const { command, args = [], cwd, env = {} } = server
  const filled = [command, ...args.map((argument) => filledIn(argument, variables))]
  return {
    type: 'local',
    // The agent starts them in the workspace and knows no other folder.
    command: cwd ? ['sh', '-c', 'cd -- "$0" && exec "$@"', cwd, ...filled] : filled,
    environment: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, filledIn(value, variables)])),
  }
}

/**
 * The session's policy with what its servers say of their tools: what is always allowed stands before the session's own
 * rules, which may forbid it; what is disabled stands behind them.
 */
export function withMcpTools(policy: Permissions, servers: Readonly<Record<string, McpServer>>): Permissions {
  const rules = (action: 'auto' | 'deny', toolsOf: (server: McpServer) => readonly string[] | undefined) =>
    Object.entries(servers).flatMap(([name, server]) =>
      (toolsOf(server) ?? []).map((tool) => ({ tool: `${agentsName(name)}_${agentsName(tool)}`, action })),
    )
  return {
    ...policy,
    rules: [
      ...rules('auto', ({ alwaysAllow }) => alwaysAllow),
      ...policy.rules,
      ...rules('deny', ({ disabledTools }) => disabledTools),
    ],
  }
}

/** The agents' rule: what is no letter, digit, dash or underline becomes an underline. */
const agentsName = (text: string): string => text.replace(/[^a-zA-Z0-9_-]/g, '_')
