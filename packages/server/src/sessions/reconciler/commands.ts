/**
 * What the commands to a supervisor say: pure of any effect but opening what is secret. Environment and tokens are
 * put together here, at the moment of sending, and kept nowhere.
 */

import type { Checkpoint, ExecuteParams, FinalizeParams, PrepareParams, WarmParams } from '@corral/protocol'
import { defaultPermissions, type SessionId, sessionBranch } from '@corral/protocol'
import type { Timers } from '../../config.ts'
import type { ExecutionRequest, execution } from '../../database/schema.ts'
import { agentFolder, inside } from '../../sandboxes/layout.ts'
import { mcpServersInside } from '../configuration/mcpServers.ts'
import { modeOf } from '../configuration/modes.ts'
import type { OpenedConfiguration } from '../configuration/openedConfiguration.ts'
import { placesOf } from '../placement/places.ts'
import type { SessionLook } from './facts.ts'

export type AgentInSandbox = {
  kind: 'opencode' | 'acp'
  /** Path of the program below the agent's folder. */
  program: string
}

/** Where the gateway serves the REST interface of a session's repository; null when that is of no known kind. */
export type CodeHostOf = (session: {
  repository: string
  configuration: { platform?: 'github' | 'gitlab' | undefined }
}) => NonNullable<FinalizeParams['pullRequest']>['host']

/** Of a prompt, for whoever writes the message of its commit. */
const maxTaskCharacters = 4_000

export type OpenedAgent = {
  secrets: OpenedConfiguration
  agent: AgentInSandbox
  alwaysAllowed: ExecuteParams['alwaysAllowed']
  history: boolean
}

export type Commands = {
  /** `first`: for the first execution, or before any. */
  prepare(look: SessionLook, attempt: number, options: { first: boolean }): Promise<PrepareParams>
  /** Reads what an agent works with, and writes nothing. Throws `InvalidConfiguration`. */
  open(look: SessionLook): Promise<OpenedAgent>
  warm(look: SessionLook, opened: OpenedAgent): Promise<WarmParams>
  execute(look: SessionLook, opened: OpenedAgent, row: typeof execution.$inferSelect): Promise<ExecuteParams>
  finalize(look: SessionLook, row: typeof execution.$inferSelect): Promise<FinalizeParams>
}

export function createCommands(deps: {
  /** The token that this boot shows to the gateway for this session. */
  gatewayToken(look: SessionLook): Promise<string>
  /** The door's URL of a repository inside a sandbox. */
  doorUrl(repository: string): string
  codeHost: CodeHostOf
  /** What of the session's configuration is secret, opened. Throws `InvalidConfiguration`. */
  secretsOf(look: SessionLook): Promise<OpenedConfiguration>
  /** What is kept of the session outside of its sandbox. */
  checkpointOf(id: SessionId): Promise<Checkpoint | null>
  /** What people have allowed for good in a session. */
  alwaysAllowed(id: SessionId): Promise<ExecuteParams['alwaysAllowed']>
  /** Whether it has a conversation from elsewhere. */
  hasHistory(id: SessionId): Promise<boolean>
  /** Throws `CannotRun` when it is not installed any more. */
  agent(kind: string, version: string): Promise<AgentInSandbox>
  wireOf(model: string): ExecuteParams['model']['wire']
  author: { name: string; email: string }
  timers: Timers
}): Commands {
  const { timers } = deps

  const environmentOf = ({ session }: SessionLook, { environment }: OpenedConfiguration) => ({
    ...environment,
    SESSION_ID: session.id,
    SESSION_HOME: placesOf(session).home,
  })

  async function agentFor(
    look: SessionLook,
    { secrets, agent, alwaysAllowed, history }: OpenedAgent,
    request: Pick<ExecutionRequest, 'mode' | 'model' | 'variant'>,
  ): Promise<WarmParams> {
    const { session } = look
    const { workspacePath, home } = placesOf(session)
    const token = await deps.gatewayToken(look)
    return {
      session: session.id,
      agentSessionId: session.agentSessionId,
      title: session.title,
      mode: modeOf(request.mode),
      model: { id: request.model, wire: deps.wireOf(request.model), variant: request.variant },
      permissions: session.configuration.permissions ?? defaultPermissions,
      alwaysAllowed,
      history,
      environment: { ...environmentOf(look, secrets), ...webProxyVariables(token) },
      mcpServers: mcpServersInside(secrets.mcpServers),
      agent: {
        name: session.agentKind,
        version: session.agentVersion,
        kind: agent.kind,
        command: `${agentFolder({ name: session.agentKind, version: session.agentVersion })}/${agent.program}`,
      },
      gateway: { token },
      workspacePath,
      home,
      timeouts: { agentStartMs: timers.agentStartMs },
    }
  }

  return {
    async open(look) {
      const { id, agentKind, agentVersion } = look.session
      const [secrets, agent, alwaysAllowed, history] = await Promise.all([
        deps.secretsOf(look),
        deps.agent(agentKind, agentVersion),
        deps.alwaysAllowed(id),
        deps.hasHistory(id),
      ])
      return { secrets, agent, alwaysAllowed, history }
    },

    warm: (look, opened) => agentFor(look, opened, look.session.configuration),

    async prepare(look, attempt, { first }) {
      const { session } = look
      const { configuration } = session
      const secrets = await deps.secretsOf(look)
      // Better said before a repository is cloned.
      await deps.agent(session.agentKind, session.agentVersion)
      const { workspacePath, home } = placesOf(session)
      const token = await deps.gatewayToken(look)
      return {
        session: session.id,
        attempt,
        edition: look.workspace.edition,
        workspacePath,
        home,
        repository: { url: session.repository, doorUrl: deps.doorUrl(session.repository) },
        branch: configuration.upstreamBranch
          ? { kind: 'upstream', name: configuration.upstreamBranch }
          : { kind: 'session', name: configuration.sessionBranch ?? sessionBranch(session.id) },
        shallow: configuration.shallow,
        author: deps.author,
        setupCommands: secrets.setupCommands,
        // What fails again and again must not be the end of the conversation.
        setupFailure: first ? 'fail' : 'warn',
        environment: { ...environmentOf(look, secrets), ...webProxyVariables(token) },
        mcpServers: mcpServersInside(secrets.mcpServers),
        gateway: { token },
        checkpoint: await deps.checkpointOf(session.id),
        timeouts: { cloneMs: timers.cloneMs, setupCommandMs: timers.setupCommandMs },
      }
    },

    async execute(look, opened, row) {
      return {
        ...(await agentFor(look, opened, row.request)),
        executionId: row.id,
        attempt: row.attempt,
        messageId: row.messageId,
        partId: row.partId,
        prompt: { text: row.prompt },
        command: row.request.command,
        files: row.request.files ?? [],
        editorContext: row.request.editorContext,
        appendSystemPrompt: row.request.appendSystemPrompt,
      }
    },

    async finalize(look, row) {
      const { session } = look
      const { pullRequest, model, upstreamBranch } = session.configuration
      return {
        session: session.id,
        executionId: row.id,
        commitMessage: firstLine(row.prompt),
        message: { model: { id: model, wire: deps.wireOf(model) }, task: row.prompt.slice(0, maxTaskCharacters) },
        push: true,
        upstreamBranch,
        ...(pullRequest && {
          pullRequest: { ...pullRequest, draft: pullRequest.draft ?? false, host: deps.codeHost(session) },
        }),
        gateway: { token: await deps.gatewayToken(look) },
        timeouts: {
          stepMs: timers.finalizationStepMs,
          pushMs: timers.pushMs,
          messageMs: timers.commitMessageMs,
        },
      }
    },
  }
}

/** How programs find the web proxy; who they are is told by the user part. */
export function webProxyVariables(token: string): Record<string, string> {
  const proxy = `http://${token}:@${inside.webProxy}`
  const variables = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: 'localhost,127.0.0.1,::1' }
  // Some programs know the one, some the other.
  const lower = Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value])
  return { ...variables, ...Object.fromEntries(lower) }
}

/** A commit's subject, or a title: the first line with text in it, at most 72 characters. */
export function firstLine(text: string): string {
  const line = text
    .split('\n')
    .map((candidate) => candidate.replace(/\s+/g, ' ').trim())
    .find((candidate) => candidate !== '')
  const whole = line ?? 'Work of a coding agent'
  return whole.length <= 72 ? whole : `${whole.slice(0, 71)}…`
}
