/**
 * The agent's slash commands: which there are, and how one is begun. The agent answers a command with the end of its turn,
 * so the call is left open, and what counts is that our message is there. Invariant: a command whose template or
 * arguments run a shell before the model is asked runs only where the session's policy lets the agent use that shell.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AgentCommand,
  agentCommandSchema,
  type CommandCall,
  commandLimits,
  type ExecuteParams,
} from '@corral/protocol'
import { z } from 'zod'
import type { AgentApi, CommandBody } from './api.ts'
import { actionOn } from './permissions.ts'
import { PromptNotRun } from './promptNotRun.ts'

export const commandSchema = z.looseObject({
  name: z.string(),
  template: z.string().catch(''),
  description: z.string().nullish(),
  agent: z.string().nullish(),
  model: z.string().nullish(),
  source: z.string().nullish(),
  subtask: z.boolean().nullish(),
  hints: z.array(z.string()).catch([]),
})
export type ToldCommand = z.infer<typeof commandSchema>

const seenEveryMs = 150
/** A refusal names so many of those that there are. */
const mostNamed = 30

/** As people choose from them: bounded, without the template, and without what has not the form of one. */
export function shownCommands(told: readonly ToldCommand[]): AgentCommand[] {
  return told
    .flatMap(({ description, hints, ...command }) => {
      const shown = agentCommandSchema.safeParse({
        ...Object.fromEntries(Object.entries(command).filter(([, member]) => member !== null)),
        ...(description && { description: description.slice(0, commandLimits.descriptionCharacters) }),
        hints: hints.slice(0, commandLimits.hints),
      })
      return shown.success ? [shown.data] : []
    })
    .slice(0, commandLimits.commands)
}

/** Throws `PromptNotRun` when there is no such command, or the policy is against what it would run. */
export function admitCommand(
  call: CommandCall,
  told: readonly ToldCommand[],
  policy: Pick<ExecuteParams, 'permissions' | 'alwaysAllowed'>,
): void {
  const command = told.find(({ name }) => name === call.name)
  if (!command) {
    const names = told.map(({ name }) => name)
    const rest = names.length - mostNamed
    const known = names.slice(0, mostNamed).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
    throw new PromptNotRun(
      'invalid_configuration',
      `The agent has no command "${call.name}". It has: ${known || 'none'}.`,
    )
  }
  const shell = [...`${command.template}\n${call.arguments}`.matchAll(/!`([^`]+)`/g)].map(([, line = '']) => line)
  if (shell.some((line) => actionOn(policy, { permission: 'bash', patterns: [line] }) !== 'auto')) {
    throw new PromptNotRun(
      'invalid_configuration',
      `The command "${call.name}" runs a shell by itself, while the permissions of this session do not let the agent do so unasked.`,
    )
  }
}

/** Resolves when the agent has our message; what it makes of it is told by its feed, like any turn. */
export async function beginCommand(
  api: Pick<AgentApi, 'command' | 'hasMessage'>,
  session: string,
  body: CommandBody,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const answered = api.command(session, body, signal).then(() => 'answered' as const)
  // Whoever waits below hears of its failure; after that it is the turn that tells how it ended.
  answered.catch(() => undefined)
  const seen = async () => {
    while (!over.signal.aborted) {
      await delay(seenEveryMs, undefined, { signal: AbortSignal.any([over.signal, signal]) })
      if (await api.hasMessage(session, body.messageID)) return
    }
  }
  try {
    await Promise.race([answered, seen()])
  } finally {
    over.abort()
  }
}
