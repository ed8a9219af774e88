/**
 * One throwaway session in a folder, so that the agent loads everything that its first prompt there would wait for. The
 * gateway answers its one model call itself. Invariants: it is deleted when it is over, one that was cut off when the
 * agent is opened the next time; nothing of it is told, since the feed's reader knows our own session alone.
 */
import { createHash } from 'node:crypto'
import { type AgentSessionId, type WarmParams, warmUpModel } from '@corral/protocol'
import { type AgentApi, AgentRefused } from './api.ts'
import { providerId } from './configuration.ts'

export async function playWarmUp(options: {
  api: AgentApi
  /** The session that this is done for. */
  root: WarmParams['agentSessionId']
  agent: string
  signal: AbortSignal
}): Promise<void> {
  const { api, root, agent, signal } = options
  const id = throwawayOf(root)
  try {
    await api.openSession(id)
    // Else the agent asks a model for one.
    await api.setTitle(id, 'Warming up')
    const text = 'Answer with one word.'
    const model = { providerID: providerId, modelID: warmUpModel }
    await api.ask(id, { parts: [{ type: 'text', text }], model, agent }, signal)
  } finally {
    await removeWarmUp(api, root)
  }
}

/** Also what a killed process has left. */
export async function removeWarmUp(api: AgentApi, root: WarmParams['agentSessionId']): Promise<void> {
  try {
    await api.deleteSession(throwawayOf(root))
  } catch (error) {
    // There is none.
    if (!(error instanceof AgentRefused)) throw error
  }
}

/** Always the same, so that nobody has to remember it. */
function throwawayOf(root: WarmParams['agentSessionId']): AgentSessionId {
  const tail = createHash('sha256').update(`the warm-up of ${root}`).digest('hex')
  return `ses_${tail.slice(0, 26)}`
}
