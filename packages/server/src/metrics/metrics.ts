/**
 * What an operator's Prometheus is told of this server. What happens is counted where the parts that `app.ts` connects
 * say so, and only after its commit; what is so now is read when somebody asks (`now.ts`). Nothing is labeled with an id,
 * so the number of series is bounded.
 */
import { errorDataSchema, type StatusData, statusDataSchema } from '@corral/protocol'
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { AttemptOutcome } from '../callbacks/decide.ts'
import type { LogObserver, LogSink, StoredEvent } from '../log/types.ts'
import { addGaugesOfNow, type Now } from './now.ts'

export type Metrics = {
  /** Passes everything on to `sink`, and counts what it was told once that is committed. */
  watching(sink: LogSink): LogSink
  log: LogObserver
  callbackAttempted(outcome: AttemptOutcome): void
  /** Of a session that runs elsewhere. */
  pushedTurnEnded(turn: { end: string; ms: number }): void
  /** Places of a sandbox that were about to be shown by the SDK facade where none should be. */
  placesReplaced(count: number): void
  /** In Prometheus' text form. */
  text(): Promise<{ text: string; contentType: string }>
}

const milliseconds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000].map((ms) => ms / 1_000)
const stepSeconds = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3_600]
const batchEvents = [1, 2, 5, 10, 20, 50, 100, 200, 500]

export function createMetrics(now: Now): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const refresh = addGaugesOfNow(registry, now)

  const executionsEnded = new Counter({
    name: 'corral_executions_ended_total',
    help: 'Executions that reached a final state, by state and reason.',
    labelNames: ['state', 'reason'],
    registers,
  })
  const step = new Histogram({
    name: 'corral_step_seconds',
    help: 'Steps of starts and turns, by the clock of the machine on which each ran.',
    labelNames: ['step', 'status'],
    buckets: stepSeconds,
    registers,
  })
  const appendSeconds = new Histogram({
    name: 'corral_log_append_seconds',
    help: 'From the arrival of a frame of events to its acknowledgment.',
    buckets: milliseconds,
    registers,
  })
  const batchSize = new Histogram({
    name: 'corral_log_batch_events',
    help: 'Events in one commit of the log.',
    buckets: batchEvents,
    registers,
  })
  const callbackAttempts = new Counter({
    name: 'corral_callback_attempts_total',
    help: 'Attempts to deliver a callback, by what came of them: the class of the status, or why there was none.',
    labelNames: ['outcome'],
    registers,
  })
  const pushedTurns = new Histogram({
    name: 'corral_pushed_turn_seconds',
    help: 'Turns of sessions that run elsewhere, by how they ended, as their pushes tell.',
    labelNames: ['end'],
    buckets: stepSeconds,
    registers,
  })
  const placesReplaced = new Counter({
    name: 'corral_facade_places_replaced_total',
    help: 'Places of a sandbox that the SDK facade found in members which should hold none, and replaced.',
    registers,
  })

  return {
    watching: (sink) => ({
      ...sink,
      async apply(tx, events) {
        await sink.apply(tx, events)
        const told = events.filter(({ type, ends }) => ends || type === 'status')
        if (told.length > 0) tx.afterCommit(() => told.forEach(count))
      },
    }),
    log: {
      appended: (ms) => appendSeconds.observe(ms / 1_000),
      committed: (events) => batchSize.observe(events),
    },
    callbackAttempted(outcome) {
      callbackAttempts.inc({ outcome: 'status' in outcome ? `${Math.floor(outcome.status / 100)}xx` : outcome.error })
    },
    pushedTurnEnded: ({ end, ms }) => pushedTurns.observe({ end }, ms / 1_000),
    placesReplaced: (count) => placesReplaced.inc(count),
    async text() {
      await refresh()
      return { text: await registry.metrics(), contentType: registry.contentType }
    },
  }

  function count(event: StoredEvent): void {
    if (event.ends) executionsEnded.inc(endOf(event))
    else countStep(statusDataSchema.safeParse(JSON.parse(event.data)).data)
  }

  /** Its end says how long a step took. */
  function countStep(status: StatusData | undefined): void {
    if (status?.step === undefined || status.durationMs === undefined || status.state === 'running') return
    step.observe({ step: status.step, status: status.state ?? 'ok' }, status.durationMs / 1_000)
  }
}

function endOf({ type, data }: StoredEvent): { state: string; reason: string } {
  if (type === 'complete') return { state: 'completed', reason: '' }
  if (type === 'interrupted') return { state: 'interrupted', reason: '' }
  return { state: 'failed', reason: errorDataSchema.safeParse(JSON.parse(data)).data?.reason ?? 'unknown' }
}
