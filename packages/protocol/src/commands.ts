/**
 * Slash commands of an agent: its own, those of the repository, and prompts of MCP servers. What they say is the agent's
 * business; here is what a person chooses from, and how one is called.
 */
import { z } from 'zod'
import { text } from './cloud-agent/fields.ts'
import { limits } from './limits.ts'

export const commandLimits = { commands: 500, nameCharacters: 100, descriptionCharacters: 1_000, hints: 50 } as const

export const commandName = text({ max: commandLimits.nameCharacters })
export const commandArguments = text({ min: 0, max: limits.promptCharacters })

/** Without its template, which may be long and is for the agent alone. */
export const agentCommandSchema = z.object({
  name: z.string().min(1).max(commandLimits.nameCharacters),
  description: z.string().max(commandLimits.descriptionCharacters).optional(),
  agent: z.string().max(255).optional(),
  model: z.string().max(255).optional(),
  source: z.string().max(50).optional(),
  subtask: z.boolean().optional(),
  /** The placeholders that its template has: `$1`, `$ARGUMENTS`. */
  hints: z.array(z.string().max(100)).max(commandLimits.hints),
})
export type AgentCommand = z.infer<typeof agentCommandSchema>
export const agentCommandsSchema = z.array(agentCommandSchema).max(commandLimits.commands)

export const commandCallSchema = z.object({ name: z.string(), arguments: z.string() })
export type CommandCall = z.infer<typeof commandCallSchema>

/** As people type it: what its message says until the agent has made one of it. */
export const commandLine = ({ name, arguments: given }: CommandCall): string =>
  given.trim() === '' ? `/${name}` : `/${name} ${given}`
