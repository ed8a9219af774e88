/** `session.finalize`: one at a time in a workspace, each ending in one `finalized`. */
import { commandRefusals, type ExecutionId, type FinalizeParams } from '@corral/protocol'
import { createGatewayCalls } from '../doors/gatewayCalls.ts'
import { sessionMark } from '../host/processes.ts'
import { RpcError } from '../link/peer.ts'
import { finalizeWorkspace } from '../workspaces/finalize.ts'
import { removeAbandonedLocks } from '../workspaces/locks.ts'
import { beginTask, preparedWorkspace, type SessionContext, type Task } from './context.ts'

export type Finalization = {
  running(): Task | null
  begin(params: FinalizeParams): void
}

export function createFinalization(options: {
  context: SessionContext
  /** The workspace may have changed. */
  ended(): void
}): Finalization {
  const { context, ended } = options
  const { emit } = context
  let current: (Task & { executionId: ExecutionId }) | null = null

  return {
    running: () => current,
    begin(params) {
      const { executionId } = params
      if (current?.executionId === executionId) return
      const workspace = preparedWorkspace(context)
      if (!workspace) throw new RpcError(commandRefusals.notPrepared, 'The workspace is not prepared.')
      const earlier = current
      const task = beginTask(context, 'a finalization', async (signal) => {
        await earlier?.done
        removeAbandonedLocks(workspace.workspacePath, sessionMark(context.id))
        await finalizeWorkspace({
          git: workspace.git,
          params,
          call: createGatewayCalls({ origin: context.gatewayOrigin, token: params.gateway.token }),
          log: context.log,
          emit: (data) => emit({ type: 'finalization', executionId, data }),
          signal,
        })
        if (current?.executionId === executionId) current = null
        emit({ type: 'finalized', executionId, data: { executionId } })
        ended()
      })
      current = { ...task, executionId }
    },
  }
}
