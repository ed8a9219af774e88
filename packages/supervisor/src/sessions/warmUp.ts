/**
 * `session.warm`: the agent is started, and loads what its first prompt would wait for, before there is one. Invariants:
 * every accepted command ends in one `warmed`, but for one that another has overtaken or that was stopped; whatever goes
 * wrong, the first prompt only takes longer.
 */
import { isDeepStrictEqual } from 'node:util'
import type { WarmParams } from '@corral/protocol'
import type { Agent } from '../agents/agent.ts'
import { errorText } from '../host/errorCode.ts'
import { writeGitConfig } from '../workspaces/gitConfig.ts'
import { beginTask, type SessionContext, type Task } from './context.ts'
import { createSteps } from './steps.ts'

export type WarmUp = {
  running(): Task | null
  begin(params: WarmParams): void
  /** Says how things are, where there is nothing to warm up. */
  tell(): void
  /** Resolves when nothing of it goes on. */
  end(): Promise<void>
}

export function createWarmUp(context: SessionContext, agent: Agent): WarmUp {
  const { id, record, emit, log } = context
  let current: (Task & { params: WarmParams }) | null = null

  const tell = () => void emit({ type: 'warmed', data: { agentRuns: agent.runs() } })

  async function end(): Promise<void> {
    current?.abort.abort()
    await current?.done
  }

  return {
    running: () => current,
    tell,
    end,
    begin(params) {
      if (current && isDeepStrictEqual(current.params, params)) return
      const overtaken = end()
      const task = beginTask(context, 'a warm-up', async (signal) => {
        await overtaken
        const { preparation } = record.value
        if (preparation) writeGitConfig(params.home, { ...preparation, token: params.gateway.token })
        // Its steps may repeat under one attempt.
        const steps = createSteps({ emit, attempt: 1, scope: crypto.randomUUID() })
        await agent.warm(params, steps, signal).catch((error: unknown) => {
          if (!signal.aborted) log('warn', 'a warm-up failed', { session: id, error: errorText(error) })
        })
        if (current === mine) current = null
        if (!signal.aborted) tell()
      })
      const mine = { ...task, params }
      current = mine
    },
  }
}
