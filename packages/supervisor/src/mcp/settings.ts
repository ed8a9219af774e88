/**
 * The MCP servers of a session as they lie in its home (mode 0600), for whoever looks for them where the seed of this API
 * has them. Placeholders stay placeholders, so no value of a variable is in it.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { McpServer } from '@corral/protocol'
import { replaceFile } from '../host/replaceFile.ts'

const settingsPath = (home: string): string => join(home, '.kilocode', 'cli', 'global', 'settings', 'mcp_settings.json')

export function writeMcpSettings(home: string, mcpServers: Readonly<Record<string, McpServer>>): void {
  const path = settingsPath(home)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  replaceFile(path, `${JSON.stringify({ mcpServers }, null, 2)}\n`, { mode: 0o600 })
}
