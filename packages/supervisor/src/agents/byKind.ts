/** The agent of a session, whatever kind its executions name. */
import type { Agent } from './agent.ts'
import { createOpencodeAgent, type OpencodeAgentOptions } from './opencode/agent.ts'

export function createAgent(options: OpencodeAgentOptions): Agent {
  const opencode = createOpencodeAgent(options)
  return {
    ...opencode,
    async warm(params, steps, signal) {
      if (params.agent.kind === 'opencode') await opencode.warm(params, steps, signal)
    },
    run: (params, sink, signal) =>
      params.agent.kind === 'opencode' ? opencode.run(params, sink, signal) : Promise.resolve(notYet),
  }
}

const notYet = {
  result: 'failed',
  reason: 'invalid_configuration',
  message: 'This version of Corral cannot drive agents over ACP yet; choose OpenCode or Kilo.',
} as const
