/**
 * The agents that Corral knows how to run: what to install from npm, which program of it to start, how the supervisor
 * drives it and which model API it speaks. Data only; `store.ts` puts them on the disk.
 */

/** How the supervisor drives it: OpenCode's server (Kilo is a fork of it), or the Agent Client Protocol on stdio. */
export const agentKinds = ['opencode', 'acp'] as const
export type AgentKind = (typeof agentKinds)[number]

/** The model API that the agent speaks. The gateway passes it through and never translates. */
export const agentWires = ['openai-chat', 'openai-responses', 'anthropic'] as const
export type AgentWire = (typeof agentWires)[number]

export type AgentEntry = {
  npmPackage: string
  defaultVersion: string
  /** The native program, in `bin/` of the platform package that `npmPackage` depends on. */
  command: string
  kind: AgentKind
  wire: AgentWire
}

export type AgentCatalog = Readonly<Record<string, AgentEntry>>

export const defaultAgent = 'opencode'

export const agentCatalog = {
  opencode: {
    npmPackage: 'opencode-ai',
    defaultVersion: '1.18.33',
    command: 'opencode',
    kind: 'opencode',
    wire: 'openai-chat',
  },
  kilo: {
    npmPackage: '@kilocode/cli',
    // 7.8.1 names a platform package that was never published.
    defaultVersion: '7.7.2',
    command: 'kilo',
    kind: 'opencode',
    wire: 'openai-chat',
  },
} as const satisfies AgentCatalog
