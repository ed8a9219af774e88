/** Callbacks for tests of what is around them: real ones that are owed, looked at only when something is, and reach nobody. */
import { randomBytes } from 'node:crypto'
import { type Callbacks, createCallbacks } from '../callbacks/callbacks.ts'
import { defaultTimers } from '../config.ts'
import type { Database } from '../database/transaction.ts'
import { quietLogger } from '../identity/testIdentity.ts'
import { createOutboundPolicy } from '../outbound/policy.ts'
import { createSealing } from '../secrets/sealing.ts'
import { reportOf } from '../sessions/executions/executionReads.ts'

export const testCallbacks = (database: Database): Callbacks =>
  createCallbacks({
    database,
    sealing: createSealing({ key: randomBytes(32) }),
    outbound: createOutboundPolicy({ allowPrivateHosts: [] }),
    report: reportOf,
    resolve: async () => [],
    timers: { ...defaultTimers, reconcilerPollMs: 60 * 60_000 },
    logger: quietLogger,
    version: '0.0.0',
  })
