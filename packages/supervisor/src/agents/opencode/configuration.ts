/**
 * How `opencode serve` and `kilo serve` (a fork; the same names with another prefix) are configured: entirely by
 * environment, so that nothing of ours lies in the workspace. Models are reached through the gateway's door alone;
 * whatever would look for a network at the start is off, and only what the session's policy says waits for a person.
 */
import { type ExecuteParams, type Permissions, warmUpModel } from '@corral/protocol'
import { mcpConfiguration } from './mcp.ts'
import { permissionConfig, touchesEdit } from './permissions.ts'

export const providerId = 'corral'

const dayMs = 86_400_000

export type ServeAccess = { username: string; password: string }

type ModelAccess = Pick<ExecuteParams, 'model' | 'gateway'>
export type McpServers = Pick<ExecuteParams, 'mcpServers' | 'environment'>

export function agentEnvironment(options: {
  /** Absent where only the history is read. */
  access: ModelAccess | undefined
  policy: Permissions
  /** Absent where the session has none. */
  mcp?: McpServers | undefined
  serve: ServeAccess
  gatewayOrigin: string
}): Record<string, string> {
  const { access, policy, mcp, serve, gatewayOrigin } = options
  const values = {
    SERVER_USERNAME: serve.username,
    SERVER_PASSWORD: serve.password,
    CONFIG_CONTENT: JSON.stringify(configuration({ access, policy, mcp, gatewayOrigin })),
    // Merged last, over what the repository's own configuration allows or asks.
    PERMISSION: JSON.stringify(permissionConfig(policy)),
    DISABLE_AUTOUPDATE: '1',
    DISABLE_SHARE: '1',
    DISABLE_MODELS_FETCH: '1',
    DISABLE_LSP_DOWNLOAD: '1',
    DISABLE_DEFAULT_PLUGINS: '1',
    DISABLE_EMBEDDED_WEB_UI: '1',
    /** No plug-ins that the repository names: they are fetched from npm at the start. */
    PURE: '1',
    EXPERIMENTAL_DISABLE_FILEWATCHER: '1',
  }
  return {
    ...Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => [
        [`OPENCODE_${name}`, value],
        [`KILO_${name}`, value],
      ]),
    ),
    KILO_DISABLE_SESSION_INGEST: '1',
    KILO_TELEMETRY_LEVEL: 'off',
  }
}

/** A policy on changing files stands behind what OpenCode's planning mode forbids, so that says it again behind both. */
const planning = { permission: { edit: 'deny' } }

function configuration(options: {
  access: ModelAccess | undefined
  policy: Permissions
  mcp: McpServers | undefined
  gatewayOrigin: string
}) {
  const { access, policy, mcp, gatewayOrigin } = options
  const model = access && `${providerId}/${access.model.id}`
  return {
    autoupdate: false,
    share: 'disabled',
    lsp: false,
    formatter: false,
    // Corral keeps its own diffs; the agent's would copy the workspace at every step.
    snapshot: false,
    permission: permissionConfig(policy),
    ...(touchesEdit(policy) ? { agent: { plan: planning } } : {}),
    // A refusal is one tool that did not work, and not the end of the turn.
    experimental: { continue_loop_on_deny: true },
    enabled_providers: [providerId],
    ...(model ? { model, small_model: model } : {}),
    ...(access && mcp
      ? {
          mcp: mcpConfiguration({
            servers: mcp.mcpServers,
            variables: mcp.environment,
            gatewayOrigin,
            token: access.gateway.token,
          }),
        }
      : {}),
    provider: access ? { [providerId]: provider(access, gatewayOrigin) } : {},
  }
}

/** Packages that both agents carry with them; any other would be fetched from npm. */
const packages = {
  'openai-chat': '@ai-sdk/openai-compatible',
  'openai-responses': '@ai-sdk/openai',
  anthropic: '@ai-sdk/anthropic',
} as const satisfies Record<ExecuteParams['model']['wire'], string>

function provider({ model, gateway }: ModelAccess, gatewayOrigin: string) {
  return {
    name: 'Corral',
    npm: packages[model.wire],
    options: {
      baseURL: `${gatewayOrigin}/v1`,
      apiKey: gateway.token,
      // The Anthropic client would send `x-api-key` only.
      headers: { Authorization: `Bearer ${gateway.token}` },
      // How long a model may be silent is decided in one place, and that is not here.
      timeout: false,
      headerTimeout: false,
      // Kilo takes no `false` here, and would silently start without all of this configuration.
      chunkTimeout: dayMs,
    },
    models: { [model.id]: modelNamed(model.id, model.wire), [warmUpModel]: modelNamed(warmUpModel, model.wire) },
  }
}

const modelNamed = (name: string, wire: ExecuteParams['model']['wire']) => ({
  name,
  tool_call: true,
  reasoning: true,
  attachment: true,
  // What is not named here the agent keeps from the model. A PDF has no place on the oldest wire.
  modalities: { input: wire === 'openai-chat' ? ['text', 'image'] : ['text', 'image', 'pdf'], output: ['text'] },
  limit: { context: 200_000, output: 16_384 },
})
