/**
 * The link between a supervisor and the server: JSON-RPC 2.0 over one WebSocket that the supervisor dials
 * (subprotocol `corral-link.1`). Commands are idempotent by id and attempt and answer `accepted` at once;
 * their end is an event. Source: 10-engine "The supervisor's link".
 */
import { z } from 'zod'
import { askAnswerSchema } from './asks.ts'
import { editorContextSchema, promptFileSchema } from './attachments.ts'
import { checkpointSchema } from './checkpoints.ts'
import { mcpServers } from './cloud-agent/mcpServers.ts'
import { permissionsSchema } from './cloud-agent/policies.ts'
import { agentCommandsSchema, commandCallSchema } from './commands.ts'
import { errorDataSchema, eventSchemas, finalizationDataSchema, outputDataSchema, statusDataSchema } from './events.ts'
import { failureReasonSchema } from './failures.ts'
import { executionIdSchema, type SessionId, sessionIdSchema } from './ids.ts'
import { ptyIdSchema, terminalSizeSchema } from './terminals.ts'
import { kilocodeDataSchema } from './vocabulary.ts'

export const linkSubprotocol = 'corral-link.1'
export const linkProtocol = 1

/** Close codes of the link. */
export const linkClose = {
  /** Broke the protocol: bad frame, a hole in the numbers, an event for a session of another sandbox. */
  protocolError: 4400,
  /** The token is not the one of this boot, or a newer incarnation has said hello. */
  fenced: 4401,
  /** Another protocol version; the sandbox is started anew before its next delivery. */
  unsupportedProtocol: 4406,
} as const

/** What the supervisor reads from `/corral/state/boot.json` (mode 0600). */
export const bootFileSchema = z.strictObject({
  sandboxId: z.string(),
  bootId: z.string(),
  linkToken: z.string(),
  doors: z.strictObject({ server: z.string(), gateway: z.string() }),
  /** What everything in the sandbox may take together; the supervisor watches it. */
  limits: z.strictObject({
    memoryBytes: z.number().positive(),
    processes: z.number().int().positive(),
    diskBytes: z.number().positive(),
  }),
})
export type BootFile = z.infer<typeof bootFileSchema>

/** What a supervisor keeps of a session: where it lies in the sandbox's state folder. */
export const sessionState = (session: SessionId): { record: string; spool: string; scratch: string } => ({
  record: `sessions/${session}.json`,
  spool: `spool/${session}`,
  scratch: `scratch/${session}`,
})

/** The largest number that the database holds of these; a supervisor that names a larger one breaks the protocol. */
const int4 = 2_147_483_647
const attempt = z.number().int().positive().max(int4)
const numberInSpool = z.number().int().nonnegative().max(int4)

const runningSchema = z.object({ executionId: executionIdSchema, attempt, begun: z.boolean() })

export const helloSchema = z.object({
  bootId: z.string(),
  /** Each start of the supervisor takes the next number from a file; lower ones are fenced off. */
  incarnation: attempt,
  protocol: z.number().int(),
  sessions: z.array(
    z.object({
      id: sessionIdSchema,
      /** One below the largest: the server may have to give the next. */
      spools: z.array(z.object({ epoch: attempt.max(int4 - 1), firstUnackedN: numberInSpool, lastN: numberInSpool })),
      running: runningSchema.optional(),
      workspace: z.object({ attempt: numberInSpool, state: z.enum(['absent', 'preparing', 'ready']) }),
      /** Its agent's process is there; a supervisor of an earlier version does not say. */
      agentRuns: z.boolean().optional(),
    }),
  ),
})
export type Hello = z.infer<typeof helloSchema>

export const welcomeSchema = z.object({
  /** Names this connection; the server resends what it asked of an earlier one. */
  linkId: z.string(),
  sessions: z.array(
    z.union([
      /** Not this sandbox's, or no more: what `session.release` does is done. */
      z.object({ id: sessionIdSchema, release: z.literal(true) }),
      z.object({
        id: sessionIdSchema,
        epoch: attempt,
        ackedN: numberInSpool,
        /** The execution that may go on; anything else is ended and reported `stopped` before new work is taken. */
        mayRun: executionIdSchema.nullable(),
      }),
    ]),
  ),
})
export type Welcome = z.infer<typeof welcomeSchema>

const diffFileSchema = z.object({
  path: z.string(),
  status: z.enum(['added', 'modified', 'deleted', 'renamed']),
  additions: z.number().int().nonnegative(),
  deletions: z.number().int().nonnegative(),
})

/** What changed in the workspace since the session's start, tracked and untracked, committed or not. */
export const workspaceDiffSchema = z.object({
  base: z.string(),
  files: z.array(diffFileSchema),
  /** A unified diff; cut at 1 MiB, which `truncated` tells. */
  patch: z.string(),
  truncated: z.boolean(),
})
export type WorkspaceDiff = z.infer<typeof workspaceDiffSchema>

/** `data` of the types that only the link knows; they become row changes, and never reach a viewer as they are. */
export const linkOnlySchemas = {
  /** End of `session.prepare`. */
  prepared: z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), attempt, branch: z.string(), baseCommit: z.string(), reused: z.boolean() }),
    z.object({ ok: z.literal(false), attempt, reason: failureReasonSchema, message: z.string() }),
  ]),
  /** Spooled with fsync before the prompt goes to the agent. */
  accepted: z.object({ executionId: executionIdSchema, attempt }),
  /** The agent has the prompt. Stored in the log as `started`. */
  started: z.object({ executionId: executionIdSchema, attempt }),
  /**
   * End of the turn, made from the root session's own end of turn. Sent only when nothing of the execution runs any
   * more, so it implies `stopped`.
   */
  outcome: z.object({
    executionId: executionIdSchema,
    attempt,
    result: z.enum(['completed', 'failed']),
    /** An assistant message or part of this attempt exists; what has not begun may be run again. */
    begun: z.boolean(),
    reason: failureReasonSchema.optional(),
    message: z.string().max(4000).optional(),
    workspace: z
      .object({ branch: z.string().nullable(), head: z.string().nullable(), diff: workspaceDiffSchema.nullable() })
      .optional(),
    /** Whether the agent's process is still there for the next turn. A supervisor of an earlier version does not say. */
    agentRuns: z.boolean().default(true),
  }),
  /** Nothing of this execution runs any more, but for the agent's process itself where `agentRuns`. */
  stopped: z.object({ executionId: executionIdSchema, attempt, agentRuns: z.boolean().default(false) }),
  /** End of `session.warm`, whatever came of it. */
  warmed: z.object({ agentRuns: z.boolean() }),
  /** The agent knows nothing of this ask, or no more: what was open cannot be answered, what was answered has arrived. */
  ask_gone: z.object({ executionId: executionIdSchema, askId: z.string().min(1).max(200) }),
  /** What the agent can be asked for by name; each time it has changed. */
  commands: z.object({ commands: agentCommandsSchema }),
  /** End of `session.finalize`; the `finalization` events came before it. */
  finalized: z.object({ executionId: executionIdSchema }),
} as const

/** Everything a supervisor may send, with the schema of its `data`. An `error` from below carries no `reason`. */
export const upSchemas = {
  kilocode: kilocodeDataSchema,
  status: statusDataSchema,
  output: outputDataSchema,
  error: errorDataSchema.extend({ reason: z.never().optional() }),
  finalization: finalizationDataSchema,
  file_sync: eventSchemas.file_sync,
  acp: eventSchemas.acp,
  events_dropped: eventSchemas.events_dropped,
  ...linkOnlySchemas,
} as const
export type UpType = keyof typeof upSchemas
export type UpData = { [T in UpType]: z.infer<(typeof upSchemas)[T]> }

export type UpEventOf<T extends UpType> = T extends UpType
  ? { type: T; executionId?: z.infer<typeof executionIdSchema>; data: UpData[T] }
  : never
export type UpEvent = UpEventOf<UpType>

/** Checked loosely at the frame; each event's `data` is checked on its own, so that one bad event spoils no other. */
export const eventsSchema = z.object({
  session: sessionIdSchema,
  epoch: attempt,
  /**
   * `n` of the first event; the others follow without a gap. Numbers may be left out right before it only when that
   * event is an `events_dropped` whose `count` reaches back to the last one sent.
   */
  from: attempt,
  events: z
    .array(
      z.object({
        // What is no text is none of the types, and no execution: the event is refused, and the link goes on.
        type: z.string().catch(''),
        executionId: z.string().optional().catch(''),
        data: z.unknown().optional(),
      }),
    )
    .min(1),
})
export type EventsFrame = z.infer<typeof eventsSchema>

export const ackSchema = z.object({ session: sessionIdSchema, epoch: attempt, n: numberInSpool })

const gatewayAccess = z.object({
  /** Bound to (session, boot), valid at the gateway alone. */
  token: z.string(),
})

const agentSpec = z.object({
  name: z.string(),
  version: z.string(),
  kind: z.enum(['opencode', 'acp']),
  /** Absolute path of the agent's program inside the sandbox. */
  command: z.string(),
})

const modelSpec = z.object({
  /** `<upstream>/<model>`, as the gateway takes it. */
  id: z.string(),
  wire: z.enum(['openai-chat', 'openai-responses', 'anthropic']),
  variant: z.string().optional(),
})

export const prepareSchema = z.object({
  session: sessionIdSchema,
  attempt,
  /** A checkout of another edition is made anew: what it was made with has changed. */
  edition: z.number().int().positive().default(1),
  workspacePath: z.string(),
  home: z.string(),
  repository: z.object({
    /** What `origin` shows. */
    url: z.string(),
    /** Where git really goes: the gateway's door. */
    doorUrl: z.string(),
  }),
  branch: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('session'), name: z.string() }),
    z.object({ kind: z.literal('upstream'), name: z.string() }),
  ]),
  shallow: z.boolean(),
  author: z.object({ name: z.string(), email: z.string() }),
  setupCommands: z.array(z.string()),
  /** What a failing setup command does: ends the preparation, or is a warning. */
  setupFailure: z.enum(['fail', 'warn']),
  environment: z.record(z.string(), z.string()),
  /** Of a remote one only what is no secret: a header without a placeholder is left out. */
  mcpServers,
  gateway: gatewayAccess,
  /** What a checkout that has to be made anew is brought back to. */
  checkpoint: checkpointSchema.nullable().default(null),
  timeouts: z.object({ cloneMs: z.number(), setupCommandMs: z.number() }),
})
export type PrepareParams = z.infer<typeof prepareSchema>

/** What an agent is started with; its first prompt may come much later. */
export const warmSchema = z.object({
  session: sessionIdSchema,
  /** The agent's own id of the session; the adapter makes the agent use it or maps ids. */
  agentSessionId: z.string(),
  title: z.string(),
  /** The agent's own mode (OpenCode: agent) and the kind it falls back to. */
  mode: z.object({ name: z.string(), fallback: z.enum(['plan', 'build']) }),
  model: modelSpec,
  permissions: permissionsSchema,
  mcpServers,
  /** What people have allowed for good in this session; an ask that it covers is answered without them. */
  alwaysAllowed: z.array(z.object({ tool: z.string(), pattern: z.string() })),
  environment: z.record(z.string(), z.string()),
  /** It began elsewhere: the agent is to know what was said there before its first start here. */
  history: z.boolean().default(false),
  agent: agentSpec,
  gateway: gatewayAccess,
  workspacePath: z.string(),
  home: z.string(),
  timeouts: z.object({ agentStartMs: z.number() }),
})
export type WarmParams = z.infer<typeof warmSchema>

export const executeSchema = warmSchema.extend({
  executionId: executionIdSchema,
  attempt,
  messageId: z.string(),
  partId: z.string(),
  prompt: z.object({ text: z.string() }),
  /** In place of the prompt, which then says the same in one line. */
  command: commandCallSchema.optional(),
  files: z.array(promptFileSchema).default([]),
  editorContext: editorContextSchema.optional(),
  appendSystemPrompt: z.string().optional(),
})
export type ExecuteParams = z.infer<typeof executeSchema>

export const finalizeSchema = z.object({
  session: sessionIdSchema,
  executionId: executionIdSchema,
  /** What the commit says when no model writes a better message. */
  commitMessage: z.string(),
  /** Who is asked for one, and what the change was to be. */
  message: z.object({ model: modelSpec.pick({ id: true, wire: true }), task: z.string() }).optional(),
  push: z.boolean(),
  upstreamBranch: z.string().optional(),
  pullRequest: z
    .object({
      title: z.string().optional(),
      /** Else the repository's default branch. */
      base: z.string().optional(),
      draft: z.boolean(),
      /** The repository in its host's REST interface, as the gateway serves it; null when that is of no known kind. */
      host: z.object({ kind: z.enum(['github', 'gitlab']), path: z.string(), owner: z.string() }).nullable(),
    })
    .optional(),
  gateway: gatewayAccess,
  timeouts: z.object({ stepMs: z.number(), pushMs: z.number(), messageMs: z.number() }),
})
export type FinalizeParams = z.infer<typeof finalizeSchema>

const answerSchema = z.object({
  session: sessionIdSchema,
  executionId: executionIdSchema,
  /** The agent's own id of the question or permission. */
  askId: z.string(),
  answer: askAnswerSchema,
})
export type AnswerParams = z.infer<typeof answerSchema>

const interruptSchema = z.object({ session: sessionIdSchema, executionId: executionIdSchema, attempt })
const assignSchema = z.object({ session: sessionIdSchema, epoch: attempt, ackedN: numberInSpool })
const sessionOnlySchema = z.object({ session: sessionIdSchema })
const renameSchema = z.object({ session: sessionIdSchema, agentSessionId: z.string(), title: z.string() })
const acceptedAnswer = z.object({ accepted: z.literal(true) })

/** The path on the server's door by which a supervisor brings the bytes of a terminal, each time somebody looks at it. */
export const terminalChannelPath = (channel: string): string => `/terminals/${channel}`

const ofTerminal = z.object({ session: sessionIdSchema, ptyId: ptyIdSchema })
const openTerminalSchema = ofTerminal.extend({
  ...terminalSizeSchema.shape,
  /** Beside what everything of the session gets. */
  environment: z.record(z.string(), z.string()),
  /** Without a key pressed; without anybody who looks. */
  timeouts: z.object({ idleMs: z.number().positive(), unattendedMs: z.number().positive() }),
})
export type OpenTerminalParams = z.infer<typeof openTerminalSchema>

/** Requests from the server to the supervisor. */
export const downMethods = {
  /** A session that came to this sandbox after its welcome: the same words for it. Nothing of it runs yet. */
  'session.assign': { params: assignSchema, result: acceptedAnswer },
  'session.prepare': { params: prepareSchema, result: acceptedAnswer },
  'session.execute': { params: executeSchema, result: acceptedAnswer },
  /** Starts the agent before there is a prompt, and lets it load what its first one would wait for. */
  'session.warm': { params: warmSchema, result: acceptedAnswer },
  'session.interrupt': { params: interruptSchema, result: acceptedAnswer },
  'session.finalize': { params: finalizeSchema, result: acceptedAnswer },
  /** Hands over what people have answered. The agent's own `…replied` or `…rejected` says that it has arrived. */
  'session.answer': { params: answerSchema, result: acceptedAnswer },
  /** Somebody has chosen another title. `taken`: the agent runs, and has it. */
  'session.rename': { params: renameSchema, result: z.object({ taken: z.boolean() }) },
  /** Ends the session's agent process; its history stays. */
  'session.stopAgent': { params: sessionOnlySchema, result: acceptedAnswer },
  /**
   * The session is no longer this sandbox's: everything of it ends, its events are discarded and its files removed. Asked
   * again until `released` says that nothing is left.
   */
  'session.release': { params: sessionOnlySchema, result: z.object({ released: z.boolean() }) },
  'session.diff': { params: sessionOnlySchema, result: workspaceDiffSchema.nullable() },
  /** Starts a shell in the workspace. The same again finds it running. */
  'terminal.open': { params: openTerminalSchema, result: acceptedAnswer },
  /** Dial `terminalChannelPath(channel)` and show the terminal there; whoever looked before looks no longer. */
  'terminal.attach': { params: ofTerminal.extend({ channel: z.string() }), result: acceptedAnswer },
  'terminal.resize': { params: ofTerminal.extend(terminalSizeSchema.shape), result: acceptedAnswer },
  'terminal.close': { params: ofTerminal, result: acceptedAnswer },
  'terminal.list': {
    params: sessionOnlySchema,
    result: z.object({
      terminals: z
        .array(z.object({ ptyId: ptyIdSchema, ...terminalSizeSchema.shape, attached: z.boolean() }))
        // Whatever a sandbox claims.
        .max(16),
    }),
  },
} as const
export type DownMethod = keyof typeof downMethods
export type DownParams<M extends DownMethod> = z.infer<(typeof downMethods)[M]['params']>
export type DownResult<M extends DownMethod> = z.infer<(typeof downMethods)[M]['result']>

/** Why a supervisor refuses a command: the `code` of the JSON-RPC error. */
export const commandRefusals = {
  ...{ notPrepared: 1, interrupted: 2, busy: 3, diskFull: 4, unknownSession: 5 },
  ...{ unknownTerminal: 6, tooManyTerminals: 7, noTerminals: 8 },
} as const
export type CommandRefusal = keyof typeof commandRefusals

/** With these headers the gateway tells a session something; the supervisor makes a `status` event of it, URI-encoded. */
export const noticeHeader = 'corral-notice'
export const sessionHeader = 'corral-session'

/** Frames of JSON-RPC 2.0 as the link uses them. `hello` is a request, `events` and `heartbeat` are notifications. */
export const frameSchema = z.union([
  z.object({
    jsonrpc: z.literal('2.0'),
    id: z.union([z.string(), z.number()]),
    method: z.string(),
    params: z.unknown(),
  }),
  z.object({ jsonrpc: z.literal('2.0'), method: z.string(), params: z.unknown() }),
  z.object({ jsonrpc: z.literal('2.0'), id: z.union([z.string(), z.number()]), result: z.unknown() }),
  z.object({
    jsonrpc: z.literal('2.0'),
    id: z.union([z.string(), z.number(), z.null()]),
    error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }),
  }),
])
export type Frame = z.infer<typeof frameSchema>

/** On an answer of the gateway: which models were passed over. The door of the sandbox makes a `status` event of it. */
export const fallbackHeader = 'x-corral-fallback'
export const passedOverSchema = z.object({
  model: z.string(),
  /** Null: it could not be reached. */ status: z.number().nullable(),
})
export type PassedOver = z.infer<typeof passedOverSchema>
export const fallbackSchema = z.object({ passedOver: z.array(passedOverSchema).min(1), answered: z.string() })
export type Fallback = z.infer<typeof fallbackSchema>

/** The gateway answers this model itself: no upstream, no usage, no budget. */
export const warmUpModel = 'corral/warm-up'

export const heartbeatMs = 5_000
