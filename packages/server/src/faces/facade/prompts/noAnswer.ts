/** The message of an agent that has written none: made for an answer, and stored nowhere. */
import type { ExecutionId } from '@corral/protocol'
import type { Root, Roots } from '../../../sessions/reads/roots.ts'
import type { Message } from '../../../sessions/transcript/messages.ts'
import { directoryOf } from '../directories.ts'
import { providerId } from '../projection.ts'

export async function noAnswer(
  roots: Pick<Roots, 'messageIds'>,
  root: Root,
  executionId: ExecutionId,
): Promise<Message> {
  const now = Date.now()
  const directory = directoryOf(root.agentSessionId)
  const parentID = (await roots.messageIds([executionId])).get(executionId)
  return {
    info: {
      ...{
        id: `msg_${executionId.slice('exec_'.length)}`,
        sessionID: root.agentSessionId,
        role: 'assistant',
        parentID,
      },
      ...{ modelID: root.configuration.model, providerID: providerId },
      ...{ mode: root.configuration.mode, agent: root.configuration.mode },
      ...{ path: { cwd: directory, root: directory }, time: { created: now, completed: now } },
      ...{ cost: 0, tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } } },
    },
    parts: [],
  }
}
