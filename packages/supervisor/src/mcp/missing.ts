/** Variables that a session's MCP servers name and that it does not have: such a server is not used. Pure. */
import { type McpServer, placeholdersIn } from '@corral/protocol'

export function missingVariables(server: McpServer, variables: Readonly<Record<string, string>>): string[] {
  const texts =
    server.type === 'stdio'
      ? [...(server.args ?? []), ...Object.values(server.env ?? {})]
      : [server.url, ...Object.values(server.headers ?? {})]
  return [...new Set(texts.flatMap(placeholdersIn))].filter((name) => !Object.hasOwn(variables, name))
}

/** A sentence for each server that is not used because of that. */
export const missingWarnings = (
  servers: Readonly<Record<string, McpServer>>,
  variables: Readonly<Record<string, string>>,
): string[] =>
  Object.entries(servers).flatMap(([name, server]) => {
    const missing = server.disabled ? [] : missingVariables(server, variables)
    return missing.length === 0
      ? []
      : [`The MCP server "${name}" is not used: the session has no variable ${missing.join(', ')}.`]
  })
