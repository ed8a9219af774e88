/**
 * The events of a session's log and the envelope in which viewers get them.
 * `data` of each type has one schema here; a view that needs more derives it. Source: 10-engine "Events".
 */
import { z } from 'zod'
import type { OpenPermission, OpenQuestion } from './asks.ts'
import { failureReasonSchema } from './failures.ts'
import { type ExecutionId, executionIdSchema, type SessionId } from './ids.ts'
import { kilocodeDataSchema } from './vocabulary.ts'

/** The steps of a start, in the order in which they usually happen; drawn as a waterfall. Source: 20, 33. */
export const stepNames = [
  'queue_wait',
  'sandbox_create',
  'supervisor_connect',
  'clone',
  'branch',
  'restore',
  'setup',
  'agent_start',
  'agent_session',
  'prompt_send',
  'first_event',
  'agent_execution',
  'result_collection',
  'agent_stop',
] as const
export type StepName = (typeof stepNames)[number]

/** Of what the sandbox has reached its limit; whoever took most of it was ended. */
export const limitReasons = ['out_of_memory', 'too_many_processes', 'disk_full'] as const
export type LimitReason = (typeof limitReasons)[number]

export const statusDataSchema = z.looseObject({
  message: z.string().max(2000),
  step: z.enum(stepNames).optional(),
  /** Unique within the session's attempt: a step that repeats (setup commands) has several ids. */
  stepId: z.string().max(100).optional(),
  attempt: z.number().int().nonnegative().optional(),
  /** `running` opens the step, `ok` and `failed` close it; absent on plain messages and warnings. */
  state: z.enum(['running', 'ok', 'failed']).optional(),
  /** By the monotonic clock of the machine on which the step ran. */
  durationMs: z.number().nonnegative().optional(),
  level: z.enum(['info', 'warning']).optional(),
  reason: z.enum(limitReasons).optional(),
})
export type StatusData = z.infer<typeof statusDataSchema>

export const outputDataSchema = z.looseObject({ content: z.string(), source: z.enum(['stdout', 'stderr']) })

export const errorDataSchema = z.looseObject({
  error: z.string(),
  reason: failureReasonSchema.optional(),
  details: z.unknown().optional(),
})

export const queuedDataSchema = z.looseObject({
  executionId: executionIdSchema,
  /** The user's message as it enters the transcript. */
  messageId: z.string(),
  partId: z.string(),
  /** The agent's own id of the session, which the message belongs to. */
  agentSessionId: z.string(),
  text: z.string(),
  /** Which mode and model were asked for, in the vocabulary's own words. */
  agent: z.string().optional(),
  model: z.looseObject({ providerID: z.string(), modelID: z.string() }).optional(),
})

export const finalizationDataSchema = z.looseObject({
  kind: z.enum(['commit', 'push', 'pull_request']),
  success: z.boolean(),
  /** Why nothing was done: `detached_head`, `protected_branch`, `clean_tree`, … */
  skipped: z.string().optional(),
  branch: z.string().optional(),
  commitHash: z.string().optional(),
  commitMessage: z.string().optional(),
  pushStatus: z.enum(['pushed', 'failed', 'not_attempted', 'unknown']).optional(),
  url: z.string().optional(),
  number: z.number().int().optional(),
  message: z.string().optional(),
})
export type FinalizationData = z.infer<typeof finalizationDataSchema>

export const completeDataSchema = z.looseObject({
  taskId: executionIdSchema,
  exitCode: z.literal(0),
  metadata: z.looseObject({
    executionTimeMs: z.number().nonnegative(),
    workspace: z.string(),
    userId: z.string(),
    startedAt: z.string(),
    completedAt: z.string(),
  }),
})

/** Every type of the log, with the schema of its `data`. */
export const eventSchemas = {
  kilocode: kilocodeDataSchema,
  status: statusDataSchema,
  output: outputDataSchema,
  error: errorDataSchema,
  queued: queuedDataSchema,
  started: z.looseObject({ executionId: executionIdSchema }),
  finalization: finalizationDataSchema,
  complete: completeDataSchema,
  interrupted: z.looseObject({ reason: z.string().optional() }),
  events_dropped: z.looseObject({ count: z.number().int().positive() }),
  file_sync: z.looseObject({}),
  acp: z.looseObject({}),
} as const

export type StreamEventType = keyof typeof eventSchemas
export const streamEventTypes = Object.keys(eventSchemas) as [StreamEventType, ...StreamEventType[]]

export type EventData = { [T in StreamEventType]: z.infer<(typeof eventSchemas)[T]> }

type EnvelopeOf<T extends StreamEventType> = T extends StreamEventType
  ? {
      /** `seq`: 1, 2, 3 …; given without gaps, though compaction may leave some numbers without an event. */
      eventId: number
      sessionId: SessionId
      executionId?: ExecutionId
      streamEventType: T
      /** ISO 8601 UTC, by the server's clock. */
      timestamp: string
      data: EventData[T]
    }
  : never

/** One event as viewers get it. */
export type Envelope = EnvelopeOf<StreamEventType>

/** The frame between replay and live. It is not in the log: `eventId` is 0 and moves no cursor. */
export type ConnectedFrame = {
  eventId: 0
  sessionId: SessionId
  streamEventType: 'connected'
  timestamp: string
  data: {
    status: 'idle' | 'busy' | 'retry'
    /** Changes when the log's history is not the one that a cursor was made from; a client then starts from 0. */
    logId: string
    lastEventId: number
    sandbox: string
    workspace: { state: string; step?: string; reason?: string }
    execution: { executionId: ExecutionId; startedAt: string } | null
    queue: { executionId: ExecutionId; createdAt: string }[]
    /** The full open requests, oldest first: who joins without a replay can answer them. */
    questions: OpenQuestion[]
    permissions: OpenPermission[]
  }
}

export type StreamFrame = Envelope | ConnectedFrame
