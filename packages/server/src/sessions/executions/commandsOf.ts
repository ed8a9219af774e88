/** The slash commands of a session's agent, as it has told them: what people see of them, and which one is refused at once. */
import { type AgentCommand, invalidInput, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { workspace } from '../../database/schema.ts'
import { sessionUuid } from '../../database/sessionUuid.ts'
import type { Orm, Tx } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { findOwned } from '../access.ts'

/** A refusal names so many of those that there are. */
const mostNamed = 30

export async function readCommands(orm: Orm, caller: Caller, id: SessionId): Promise<AgentCommand[]> {
  await findOwned(orm, caller, { sessionId: id })
  const [row] = await orm.select({ commands: workspace.commands }).from(workspace).where(eq(workspace.sessionId, id))
  return row?.commands ?? []
}

/**
 * Only while the agent that has told them is there: the next start may find others in the workspace, so then it is the
 * agent that refuses. By `workspace_pkey` and `execution_running`.
 */
export async function refuseUnknownCommand(tx: Tx, id: SessionId, name: string): Promise<void> {
  const { rows } = await tx.client.query<{ commands: AgentCommand[] }>({
    name: 'commands_of_running_agent',
    text: `select commands from workspace w
           where session_id = $1 and commands is not null and (agent_until is not null
             or exists (select 1 from execution e where e.session_id = w.session_id and e.state = 'running'))`,
    values: [sessionUuid(id)],
  })
  const names = rows[0]?.commands.map((command) => command.name)
  if (!names || names.includes(name)) return
  throw invalidInput('command', `there is no such command; this session has ${named(names)}`)
}

const named = (names: readonly string[]): string => {
  if (names.length === 0) return 'none'
  const rest = names.length - mostNamed
  return names.slice(0, mostNamed).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
