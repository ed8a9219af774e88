/**
 * A session's MCP servers as they go into its sandbox. Pure. A remote one is reached at the gateway's door, so of its
 * headers only those go along that hold a placeholder: what is written out in one may be a secret.
 */
import { type McpServer, mcpServerSchema, placeholdersIn } from '@corral/protocol'
import type { SecretConfiguration } from './sealedConfiguration.ts'

export const mcpServersInside = (sealed: SecretConfiguration['mcpServers']): Record<string, McpServer> =>
  Object.fromEntries(Object.entries(sealed).map(([name, server]) => [name, inside(mcpServerSchema.parse(server))]))

function inside(server: McpServer): McpServer {
  if (server.type === 'stdio' || !server.headers) return server
  const headers = Object.entries(server.headers).filter(([, value]) => placeholdersIn(value).length > 0)
  return { ...server, headers: Object.fromEntries(headers) }
}
