/** What a callback quotes is in the export that its receiver takes at that moment, every time. */
import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { defaultTimers } from '../config.ts'
import type { session } from '../database/schema.ts'
import type { Database } from '../database/transaction.ts'
import { quietLogger } from '../identity/testIdentity.ts'
import type { Log } from '../log/log.ts'
import { createOutboundPolicy } from '../outbound/policy.ts'
import { createSealing } from '../secrets/sealing.ts'
import { reportOf } from '../sessions/executions/executionReads.ts'
import { createSink } from '../sessions/executions/sink.ts'
import { openExport } from '../sessions/transcript/export.ts'
import { createSnapshots } from '../sessions/transcript/snapshot.ts'
import { openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { runningExecution } from '../testing/runningExecution.ts'
import { type Callbacks, createCallbacks } from './callbacks.ts'
import { type Receiver, testReceiver } from './testReceiver.ts'

const times = 100
const sessionsAtOnce = 10

let stored: TestDatabase
let database: Database
let log: Log
let callbacks: Callbacks
let receiver: Receiver

beforeAll(async () => {
  stored = await testDatabase()
  receiver = await testReceiver()
  // A receiver that reads while it is told may take its time on a busy machine.
  const timers = { ...defaultTimers, callbackAttemptMs: 30_000, reconcilerPollMs: 20 }
  const owe: Callbacks['owe'] = {
    ended: (tx, ids) => callbacks.owe.ended(tx, ids),
    finalized: (tx, id) => callbacks.owe.finalized(tx, id),
  }
  ;({ log, database } = await openLog(stored.pool, { sink: createSink({ timers, callbacks: owe, wake: () => {} }) }))
  callbacks = createCallbacks({
    ...{ database, timers, logger: quietLogger, version: '0.0.0', report: reportOf },
    sealing: createSealing({ key: randomBytes(32) }),
    outbound: createOutboundPolicy({ allowPrivateHosts: [receiver.host] }),
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
  })
})
afterAll(async () => {
  await callbacks?.close()
  await log?.close()
  await receiver?.[Symbol.asyncDispose]()
  await stored[Symbol.asyncDispose]()
})

const bodySchema = z.object({ cloudAgentSessionId: z.string(), lastAssistantMessageText: z.string() })
const exportSchema = z.object({
  messages: z.array(z.object({ parts: z.array(z.looseObject({ text: z.string() })) })),
})

test(`${times} times out of as many`, { timeout: 60_000 }, async () => {
  const snapshots = createSnapshots(database)
  const owners = new Map<string, typeof session.$inferSelect>()
  const found: boolean[] = []
  const { promise: all, resolve } = Promise.withResolvers<void>()
  receiver.first(async ({ body }) => {
    const { cloudAgentSessionId: id, lastAssistantMessageText: quoted } = bodySchema.parse(JSON.parse(body))
    const owner = owners.get(id) ?? expect.fail('a callback of an unknown session')
    const { pieces } = await openExport(snapshots, owner)
    const { messages } = exportSchema.parse(JSON.parse(await text(pieces)))
    found.push(messages.some(({ parts }) => parts.some((part) => part.text === quoted)))
    if (found.length === times) resolve()
  })
  for (let done = 0; done < times; done += sessionsAtOnce) {
    const turns = Array.from({ length: sessionsAtOnce }, async (_, i) => {
      const told = await runningExecution({ database, log, targets: callbacks.targets }, { url: receiver.url })
      owners.set(told.sessionId, told.owner)
      // Half of them are still open: their text is in the log alone.
      await told.end(`These are the words of ${told.id}.`, { result: 'completed' }, i % 2 === 0 ? 'whole' : 'words')
    })
    await Promise.all(turns)
  }
  await all
  expect(found.filter((isThere) => !isThere)).toEqual([])
  expect(receiver.received).toHaveLength(times)
})
