/**
 * The entrance to callbacks: everything of the folder put together, for `app.ts`, which hands it to `sessions` and to the
 * faces in parts.
 */
import type { SessionId } from '@corral/protocol'
import type { Logger } from 'pino'
import type { Timers } from '../config.ts'
import type { Reconciler } from '../database/reconciler.ts'
import type { Database } from '../database/transaction.ts'
import type { Resolve } from '../outbound/agent.ts'
import type { OutboundPolicy } from '../outbound/policy.ts'
import type { Sealing } from '../secrets/sealing.ts'
import { createSendAttempt } from './attempt.ts'
import { createDeliveries, type DeliveryDependencies, fixBodiesOf } from './deliveries.ts'
import { type CallbackKeys, createCallbackKeys } from './keys.ts'
import { createLookAfterCallbacks, type LookAfterCallbacks } from './lookAfter.ts'
import { createOweCallbacks, type OweCallbacks } from './owe.ts'
import { type CallbackTargets, createCallbackTargets } from './target.ts'

export type Callbacks = LookAfterCallbacks &
  Reconciler & {
    keys: CallbackKeys
    targets: CallbackTargets
    owe: OweCallbacks
    /** Before a session's rows go. */
    fixBodies(sessionId: SessionId): Promise<void>
  }

export function createCallbacks(deps: {
  database: Database
  sealing: Sealing
  outbound: OutboundPolicy
  resolve?: Resolve
  report: DeliveryDependencies['report']
  attempted?: DeliveryDependencies['attempted']
  timers: Timers
  logger: Logger
  version: string
}): Callbacks {
  const { database, timers } = deps
  const wake = () => deliveries.poke()
  const targets = createCallbackTargets(deps)
  const keys = createCallbackKeys(deps)
  const deliveries = createDeliveries({ ...deps, targets, keys, send: createSendAttempt(deps) })
  return {
    ...createLookAfterCallbacks({ database, wake }),
    ...deliveries,
    keys,
    targets,
    owe: createOweCallbacks({ timers, wake }),
    fixBodies: (sessionId) => fixBodiesOf(deps, sessionId),
  }
}
