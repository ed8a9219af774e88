/**
 * A real MCP server that speaks over stdio, made with the official SDK, as one file that a repository can hold: in a
 * sandbox nothing can be installed.
 */
import { build } from 'esbuild'

const source = `
  import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
  import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
  const server = new McpServer({ name: 'program', version: '1.0.0' })
  const said = (text) => ({ content: [{ type: 'text', text }] })
  server.registerTool('greet', { description: 'Says what it was told' }, () => said(process.argv[2] + ' from ' + process.cwd().split('/').at(-1)))
  server.registerTool('token', { description: 'How long its token is' }, () => said('token of ' + (process.env.MCP_TOKEN ?? '').length + ' characters'))
  server.registerTool('forbidden', { description: 'Is not wanted' }, () => said('never'))
  await server.connect(new StdioServerTransport())
`

export async function mcpProgram(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname },
    ...{ bundle: true, write: false, format: 'esm', platform: 'node', target: 'node20', logLevel: 'silent' },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
  })
  return outputFiles[0]?.text ?? ''
}
