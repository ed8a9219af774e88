/**
 * The rows of sessions, executions, workspaces and sandboxes, and the log; others are in `…Tables.ts` beside it. One state
 * value per entity; what the database can hold as an invariant, it holds:
 * one running execution per session, one ending event per execution, one event per server-made key.
 * Source: 10-engine "Rows and states". Times are `timestamptz`; `wakeAt` is compared with PostgreSQL's clock only.
 */
import type {
  AgentCommand,
  AgentSessionId,
  CommandCall,
  EditorContext,
  ExecutionId,
  FailureReason,
  Isolation,
  Network,
  Permissions,
  PromptFile,
  PullRequestRequest,
  SandboxId,
  SecretEnvelope,
  StreamEventType,
  WorkspaceDiff,
} from '@corral/protocol'
import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { at, bytea, claimColumns, count, sessionIdColumn } from './columns.ts'

/**
 * The one active server of this database. Writers hold the row `FOR KEY SHARE` with `term` as its key, so that
 * a renewal (of `until`) waits for nobody and a takeover (of `term`) waits for the writers.
 */
export const server = pgTable('server', {
  term: count('term').primaryKey(),
  until: at('until').notNull(),
})

/** Numbers the activity of sessions; the order of lists. */
export const sessionActivity = pgSequence('session_activity')

export const sessionStates = ['unprepared', 'prepared', 'open', 'deleted'] as const
export type SessionState = (typeof sessionStates)[number]

/** What a session was prepared with, as far as it is shown; what may be secret is in `sessionSecret`, and counted here. */
export type SessionConfiguration = {
  prompt: string
  mode: string
  model: string
  variant?: string
  githubRepo?: string
  gitUrl?: string
  platform?: 'github' | 'gitlab'
  network?: Network
  upstreamBranch?: string
  autoCommit: boolean
  condenseOnComplete: boolean
  shallow: boolean
  appendSystemPrompt?: string
  pullRequest?: PullRequestRequest
  /** Of the first prompt. */
  files?: PromptFile[]
  /** Absent: nothing waits for anybody. */
  permissions?: Permissions
  fallbackModels?: string[]
  timeoutMs?: number
  /** Another name for the branch that work lands on than `session/<id>`. */
  sessionBranch?: string
  /** Absent: a sandbox of its own. */
  isolation?: Isolation
  createdOnPlatform: string
  counts: { envVars: number; secrets: number; setupCommands: number; mcpServers: number }
  hasCallback: boolean
}

export const session = pgTable(
  'session',
  {
    id: sessionIdColumn('id').primaryKey(),
    state: text('state', { enum: sessionStates }).notNull(),
    userId: text('user_id').notNull(),
    organizationId: text('organization_id'),
    botId: text('bot_id'),
    /** `ses_…`, minted once; what the agent calls this session. */
    agentSessionId: text('agent_session_id').$type<AgentSessionId>().notNull(),
    agentKind: text('agent_kind').notNull(),
    agentVersion: text('agent_version').notNull(),
    /** The repository's identity, fixed for life; see `sessions/configuration/repository.ts`. */
    repository: text('repository').notNull(),
    configuration: jsonb('configuration').$type<SessionConfiguration>().notNull(),
    configVersion: integer('config_version').notNull().default(1),
    title: text('title').notNull(),
    clientId: text('client_id'),
    /** Keyed digest of the input that came with `clientId`. */
    clientHash: text('client_hash'),
    /** Changes when the log's history is not the one that cursors were made from. */
    logId: uuid('log_id').notNull().defaultRandom(),
    /** Newest activity first, by a sequence and never by a clock. */
    activity: count('activity').notNull().default(sql`nextval('session_activity')`),
    sandboxId: text('sandbox_id').$type<SandboxId>(),
    /** Rises with every change of what the session's row shows, in the transaction of the change. */
    revision: count('revision').notNull().default(1),
    gitBranch: text('git_branch'),
    /** As its agent named it; it may not be here, or not yet. */
    parentAgentSessionId: text('parent_agent_session_id').$type<AgentSessionId>(),
    /** What the agent of a pushed session says of itself; null for sessions that run here, whose rows say it. */
    status: text('status'),
    statusAt: at('status_at'),
    /** When a person chose the title; from then on no agent's title takes its place. */
    titleChosenAt: at('title_chosen_at'),
    /** What the share token is signed over; null when it is not shared. */
    shareId: uuid('share_id'),
    createdAt: at('created_at').notNull().defaultNow(),
    preparedAt: at('prepared_at'),
    initiatedAt: at('initiated_at'),
    updatedAt: at('updated_at').notNull().defaultNow(),
    deletedAt: at('deleted_at'),
    ...claimColumns(),
  },
  (t) => [
    /** One's own: the id that another user's agent has made is not in the way. */
    uniqueIndex('session_agent_session').on(t.userId, t.agentSessionId),
    uniqueIndex('session_share').on(t.shareId).where(sql`share_id is not null`),
    index('session_parent').on(t.userId, t.parentAgentSessionId).where(sql`parent_agent_session_id is not null`),
    index('session_repository').on(t.userId, t.repository, t.activity).where(sql`state <> 'deleted'`),
    uniqueIndex('session_client').on(t.userId, t.clientId).where(sql`client_id is not null`),
    /** Read backwards: newest activity first. */
    index('session_owner').on(t.userId, t.activity).where(sql`state <> 'deleted'`),
    /** Conversations that run here, as `sessions/reads/rootCondition.ts` has it; also of one repository. */
    index('session_root')
      .on(t.userId, t.activity.desc().nullsFirst())
      .where(sql`state in ('prepared', 'open') and agent_kind <> 'external' and parent_agent_session_id is null`),
    index('session_root_repository')
      .on(t.userId, t.repository, t.activity.desc().nullsFirst())
      .where(sql`state in ('prepared', 'open') and agent_kind <> 'external' and parent_agent_session_id is null`),
    index('session_due').on(t.wakeAt).where(sql`wake_at is not null`),
    index('session_sandbox').on(t.sandboxId),
    check('session_state', sql`${t.state} in ('unprepared', 'prepared', 'open', 'deleted')`),
  ],
)

/**
 * What of a session's configuration may be secret, where it has any. A table of its own, so that nothing but what opens
 * it reads it: envelopes are large, and session rows are read often.
 */
export const sessionSecret = pgTable('session_secret', {
  sessionId: sessionIdColumn('session_id')
    .primaryKey()
    .references(() => session.id, { onDelete: 'cascade' }),
  /** See `sessions/configuration/sealedConfiguration.ts`. */
  sealed: bytea('sealed').notNull(),
  /** `encryptedSecrets`, as they were received. */
  envelopes: jsonb('envelopes').$type<Record<string, SecretEnvelope>>().notNull(),
})

/** The row that append locks; small and without further indexes, so that updates stay on their page (fillfactor 50). */
export const sessionHead = pgTable('session_head', {
  sessionId: sessionIdColumn('session_id').primaryKey(),
  lastSeq: count('last_seq').notNull().default(0),
  /** The life of one spool below, numbered by us. */
  epoch: integer('epoch').notNull().default(0),
  lastN: count('last_n').notNull().default(0),
  lastProgressAt: at('last_progress_at'),
})

export const executionStates = ['queued', 'running', 'completed', 'failed', 'interrupted'] as const

/** What one prompt asks for. */
export type ExecutionRequest = {
  mode: string
  model: string
  variant?: string
  appendSystemPrompt?: string
  autoCommit: boolean
  condenseOnComplete: boolean
  /** In place of the prompt, which then is its line. */
  command?: CommandCall
  files?: PromptFile[]
  editorContext?: EditorContext
}

export const execution = pgTable(
  'execution',
  {
    id: text('id').$type<ExecutionId>().primaryKey(),
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    state: text('state', { enum: executionStates }).notNull().default('queued'),
    /** FIFO order: the number of the `queued` event. */
    queuedSeq: count('queued_seq').notNull(),
    prompt: text('prompt').notNull(),
    request: jsonb('request').$type<ExecutionRequest>().notNull(),
    messageId: text('message_id').notNull(),
    partId: text('part_id').notNull(),
    clientId: text('client_id'),
    clientHash: text('client_hash'),
    /** 0 until delivered. An outcome counts only for the current attempt. */
    attempt: integer('attempt').notNull().default(0),
    /** The link on which `execute` (and, once ended, `interrupt` or `finalize`) was last sent. */
    sentLink: text('sent_link'),
    /** The agent has made something of this attempt; what has begun is never run again by itself. */
    begun: boolean('begun').notNull().default(false),
    /** Its agent did not run when it was delivered, and is started for it. */
    startsAgent: boolean('starts_agent').notNull().default(false),
    reason: text('reason').$type<FailureReason>(),
    failureMessage: text('failure_message'),
    createdAt: at('created_at').notNull().defaultNow(),
    /** First attempt handed to the supervisor. */
    deliveredAt: at('delivered_at'),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
    /** Nothing of it runs any more. An ended execution without it blocks the next delivery. */
    stoppedAt: at('stopped_at'),
    /** Its deltas are gone from the log. */
    compactedAt: at('compacted_at'),
    finalization: text('finalization', { enum: ['none', 'pending', 'done'] })
      .notNull()
      .default('none'),
    /** The disk had no room for it when its turn came. */
    waitsForRoomSince: at('waits_for_room_since'),
    /** Where its end is told, as of its admission; sealed for the callback's row. */
    callbackTarget: bytea('callback_target'),
  },
  (t) => [
    uniqueIndex('execution_running').on(t.sessionId).where(sql`state = 'running'`),
    uniqueIndex('execution_client').on(t.sessionId, t.clientId).where(sql`client_id is not null`),
    uniqueIndex('execution_order').on(t.sessionId, t.queuedSeq),
    /** What a decision has to look at: everything of a session that is not over. */
    index('execution_open')
      .on(t.sessionId, t.queuedSeq)
      .where(
        sql`state in ('queued', 'running') or finalization = 'pending' or (stopped_at is null and delivered_at is not null)`,
      ),
    /** Stopped, and its deltas still in the log. */
    index('execution_compaction')
      .on(t.sessionId, t.stoppedAt)
      .where(sql`compacted_at is null and stopped_at is not null and delivered_at is not null`),
    check('execution_state', sql`${t.state} in ('queued', 'running', 'completed', 'failed', 'interrupted')`),
    check('execution_ended', sql`(${t.endedAt} is not null) = (${t.state} in ('completed', 'failed', 'interrupted'))`),
  ],
)

export const warmUpStates = ['due', 'running', 'over'] as const
export const workspaceStates = ['absent', 'preparing', 'ready', 'failed', 'collecting'] as const

export const workspace = pgTable(
  'workspace',
  {
    sessionId: sessionIdColumn('session_id')
      .primaryKey()
      .references(() => session.id, { onDelete: 'cascade' }),
    state: text('state', { enum: workspaceStates }).notNull().default('absent'),
    attempt: integer('attempt').notNull().default(0),
    /** Of the configuration that it is made with; a checkout of another one is not used again. */
    edition: integer('edition').notNull().default(1),
    /** The link on which `prepare`, and then `warm`, was last sent. */
    sentLink: text('sent_link'),
    preparingSince: at('preparing_since'),
    /** The boot of the sandbox in which it was made ready; another boot prepares (and usually reuses) it again. */
    readyBoot: text('ready_boot'),
    step: text('step'),
    reason: text('reason').$type<FailureReason>(),
    message: text('message'),
    branch: text('branch'),
    baseCommit: text('base_commit'),
    headCommit: text('head_commit'),
    /** Set while the agent's process is there and idle: when it is to be stopped, if nothing comes in between. */
    agentUntil: at('agent_until'),
    /** The start of the agent before there is a prompt; `due` counts only until the session is initiated. */
    warmUp: text('warm_up', { enum: warmUpStates }).notNull().default('over'),
    warmingSince: at('warming_since'),
    /** As the agent last named them; null until it has. */
    commands: jsonb('commands').$type<AgentCommand[]>(),
    /** As of the end of the last turn. */
    diff: jsonb('diff').$type<WorkspaceDiff>(),
  },
  (t) => [
    /** Agents that are started now count wherever one is to be started. */
    index('workspace_warming').on(t.warmingSince).where(sql`warm_up = 'running'`),
    check('workspace_state', sql`${t.state} in ('absent', 'preparing', 'ready', 'failed', 'collecting')`),
    check('workspace_warm_up', sql`${t.warmUp} in ('due', 'running', 'over')`),
  ],
)

export const sandboxStates = ['stopped', 'starting', 'ready', 'unreachable', 'stopping'] as const
export type SandboxState = (typeof sandboxStates)[number]

export const sandbox = pgTable(
  'sandbox',
  {
    id: text('id').$type<SandboxId>().primaryKey(),
    /** `<org>__<user>…`: its name on the wire. */
    name: text('name').notNull(),
    /** Whose sessions come here: `[organization, user, bot]` as JSON text. Null: it is one session's alone. */
    sharedBy: text('shared_by'),
    state: text('state', { enum: sandboxStates }).notNull().default('stopped'),
    driver: text('driver').notNull(),
    /** The driver's own reference, as it gave it. */
    ref: jsonb('ref'),
    /** Starts since the last success. */
    attempt: integer('attempt').notNull().default(0),
    bootId: text('boot_id'),
    /** SHA-256 of the token of this boot. */
    linkTokenHash: bytea('link_token_hash'),
    incarnation: integer('incarnation').notNull().default(0),
    /** The host user id under which it runs; never given twice. */
    hostUser: count('host_user'),
    supervisorBundle: text('supervisor_bundle'),
    startingSince: at('starting_since'),
    unreachableSince: at('unreachable_since'),
    reason: text('reason').$type<FailureReason>(),
    message: text('message'),
    createdAt: at('created_at').notNull().defaultNow(),
    ...claimColumns(),
  },
  (t) => [
    uniqueIndex('sandbox_shared_by').on(t.sharedBy),
    uniqueIndex('sandbox_host_user').on(t.hostUser),
    index('sandbox_due').on(t.wakeAt).where(sql`wake_at is not null`),
    check('sandbox_state', sql`${t.state} in ('stopped', 'starting', 'ready', 'unreachable', 'stopping')`),
  ],
)

/** The log. `data` is the exact JSON text that was sent. */
export const event = pgTable(
  'event',
  {
    sessionId: sessionIdColumn('session_id').notNull(),
    seq: count('seq').notNull(),
    type: text('type').$type<StreamEventType>().notNull(),
    executionId: text('execution_id').$type<ExecutionId>(),
    /** The part that a delta or a part update is about; compaction looks here. */
    entityId: text('entity_id'),
    data: text('data').notNull(),
    at: at('at').notNull().default(sql`clock_timestamp()`),
    /** Where it came from, when a supervisor sent it. */
    epoch: integer('epoch'),
    n: count('n'),
    /** Unique in its session when the server made it, so that a repeated append is a no-op. */
    key: text('key'),
    /** On a part's last full update, once its deltas are gone: `[[step of number, length], …]`; see `log/compaction.ts`. */
    deltas: text('deltas'),
    /** It ends its execution. */
    ends: boolean('ends').notNull().default(false),
  },
  (t) => [
    primaryKey({ columns: [t.sessionId, t.seq] }),
    uniqueIndex('event_key').on(t.sessionId, t.key).where(sql`key is not null`),
    uniqueIndex('event_ending').on(t.sessionId, t.executionId).where(sql`ends`),
  ],
)

/** A stream ticket that has been used; it works once. */
export const usedTicket = pgTable('used_ticket', {
  nonce: text('nonce').primaryKey(),
  expiresAt: at('expires_at').notNull(),
})
