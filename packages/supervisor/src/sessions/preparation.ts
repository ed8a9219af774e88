/**
 * `session.prepare`: one attempt at a time, the newest that was asked for. An attempt that has ended says its end
 * again when it is asked for again; one that a newer attempt has overtaken says nothing.
 */
import type { PrepareParams } from '@corral/protocol'
import { restoreCheckpoint } from '../checkpoints/restore.ts'
import type { CheckpointStore } from '../checkpoints/store.ts'
import { prepareWorkspace } from '../workspaces/prepare.ts'
import { beginTask, type SessionContext, type Task } from './context.ts'
import { createSteps } from './steps.ts'

export type Preparation = {
  running(): Task | null
  begin(params: PrepareParams): void
}

export function createPreparation(options: {
  context: SessionContext
  store: CheckpointStore
  scratch: string
  /** Ends what works in the checkout as it is. */
  makeRoom(): Promise<void>
}): Preparation {
  const { context, store, scratch, makeRoom } = options
  const { record, environment, gatewayOrigin, emit, log } = context
  let current: (Task & { attempt: number }) | null = null

  return {
    running: () => current,
    begin(params) {
      const { attempt, workspacePath, home, repository, author } = params
      if (current?.attempt === attempt) return
      const known = record.value.preparation
      if (known?.attempt === attempt && known.prepared) return void emit({ type: 'prepared', data: known.prepared })
      const overtaken = current
      overtaken?.abort.abort()
      const preparation = { attempt, workspacePath, home, repository, author }
      record.update({ preparation: { ...preparation, prepared: null } })
      const task = beginTask(context, 'a preparation', async (signal) => {
        await overtaken?.done
        await makeRoom()
        const prepared = await prepareWorkspace({
          params,
          environment,
          gatewayOrigin,
          steps: createSteps({ emit, attempt }),
          output: (content, source) => emit({ type: 'output', data: { content, source } }),
          restore(checkpoint, folder) {
            const { session, shallow } = params
            const place = { folder, home, scratch, environment: environment(home) }
            return restoreCheckpoint({ session, checkpoint, store, ...place, shallow, signal })
          },
          signal,
          log,
        })
        if (signal.aborted) return
        record.update({ preparation: { ...preparation, prepared } })
        current = null
        emit({ type: 'prepared', data: prepared })
      })
      current = { ...task, attempt }
    },
  }
}
