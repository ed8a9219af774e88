/**
 * Which installed agent a session gets: the one that was asked for, in the version that was named, else in the newest that is
 * installed. It stays with that version; when that is removed, its work is refused until it is installed again.
 */
import { defaultAgent } from '../../agents/catalog.ts'
import type { AgentStore } from '../../agents/store.ts'
import type { AgentInSandbox } from '../reconciler/commands.ts'
import { CannotRun } from './cannotRun.ts'

export function createAgentChoice(store: AgentStore) {
  return {
    /** `opencode`, or `opencode@1.18.33`. */
    async choose(asked: string = defaultAgent): Promise<{ kind: string; version: string } | { refused: string }> {
      const installed = await store.list()
      const agent = installed.findLast(({ name, version }) => asked === name || asked === `${name}@${version}`)
      if (agent) return { kind: agent.name, version: agent.version }
      const names = installed.map(({ name, version }) => `${name}@${version}`).join(', ') || 'none'
      return {
        refused: `"${asked}" is not installed here (installed: ${names}); add it with "corral agents add ${asked}"`,
      }
    },

    async installed(kind: string, version: string): Promise<AgentInSandbox> {
      const agent = await store.find(`${kind}@${version}`)
      if (agent) return { kind: agent.kind, program: agent.bin }
      throw new CannotRun({
        reason: 'agent_unavailable',
        message:
          `The agent ${kind}@${version}, which this session was made with, is not installed any more. ` +
          `Install it again with "corral agents add ${kind}@${version}", or make a new session.`,
      })
    },
  }
}
