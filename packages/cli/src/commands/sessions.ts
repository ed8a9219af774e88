/** The commands about sessions: run, ls, show, attach, send, stop, rm, diff, timing, network, export. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { MessageResult, NetworkVisit, Permissions, SessionId, SessionView } from '@corral/protocol'
import type { Command } from 'commander'
import { createAnswering } from '../answering.ts'
import { connect } from '../connection.ts'
import { followExecution } from '../follow.ts'
import { diffSummary, patchText } from '../show/diff.ts'
import { eventPrinter, seconds } from '../show/events.ts'
import { output } from '../show/output.ts'
import { oneLine, safeJson, safeText } from '../show/safeText.ts'
import { waterfall } from '../show/waterfall.ts'
import { color, createTerminal, type Terminal } from '../terminal.ts'
import { sessionOf } from './sessionArgument.ts'

type RunOptions = {
  repo: string
  branch?: string
  agent?: string
  model?: string
  mode: string
  commit: boolean
  pullRequest?: boolean
  draft?: boolean
  ask?: string
  deny?: string
  detach?: boolean
}

export function addSessionCommands(program: Command, env: NodeJS.ProcessEnv): void {
  const terminal = () => createTerminal({ json: program.opts<{ json?: boolean }>().json === true })

  program
    .command('run')
    .description('run a coding agent on a repository and watch it')
    .argument('<prompt>')
    .option('--repo <url-or-path>', 'the repository', '.')
    .option('--branch <branch>', 'work on this existing branch instead of a new one')
    .option('--agent <name>', 'which agent')
    .option('--model <model>', 'which model, <upstream>/<model> (default: that of the installation)')
    .option('--mode <mode>', 'how it works: code, plan, ask, …', 'code')
    .option('--no-commit', 'do not commit and push at the end')
    .option('--ask <tools>', 'ask before these are used, separated by commas; "question" lets the agent ask')
    .option('--deny <tools>', 'the agent may not use these')
    .option('--pull-request', 'open a pull request after the push')
    .option('--draft', 'with --pull-request: as a draft')
    .option('--detach', 'answer with the session and leave it running')
    .action(async (prompt: string, options: RunOptions) => {
      process.exitCode = await run(env, terminal(), prompt, options)
    })

  program
    .command('ls')
    .description('your sessions, newest activity first')
    .option('--limit <n>', 'how many', '20')
    .action(async (options: { limit: string }) => {
      const { corral } = await connect(env)
      const { sessions } = await corral.call.listSessions.query({ limit: Number(options.limit) })
      output(terminal(), sessions, () => sessions.map(sessionLine).join('') || 'No sessions yet.\n')
    })

  withSession('show', 'one session', async (id, out) => {
    const { corral } = await connect(env)
    const session = await corral.call.getSession.query({ cloudAgentSessionId: id })
    output(out, session, () => sessionText(session))
  })

  withSession('attach', 'watch a session, from its beginning', async (id, out) => {
    const { corral } = await connect(env)
    const print = eventPrinter(out)
    const leave = new AbortController()
    process.once('SIGINT', () => leave.abort())
    const answering = createAnswering({ corral, terminal: out, sessionId: id })
    leave.signal.addEventListener('abort', answering.close)
    for await (const item of corral.stream(id, { signal: leave.signal })) {
      if (item.kind === 'event') print(item.event)
      answering.take(item)
      if (item.kind === 'disconnected') out.note(`Connection lost; trying again in ${item.retryInMs} ms.`)
    }
    out.freshLine()
  })

  withSession('send', 'queue a follow-up and watch it', async (id, out, prompt) => {
    const { corral } = await connect(env)
    const { autoCommit, latestEventId } = await corral.call.getSession.query({ cloudAgentSessionId: id })
    const ack = await corral.call.sendMessage.mutate({ cloudAgentSessionId: id, prompt: prompt ?? '' })
    const { exitCode, result } = await followExecution({ corral, terminal: out }, id, ack.executionId, {
      autoCommit: autoCommit === true,
      from: latestEventId,
    })
    outputAnswer(out, result)
    process.exitCode = exitCode
  }).argument('<prompt>')

  withSession('stop', 'stop what runs and what is queued', async (id, out) => {
    const { corral } = await connect(env)
    const result = await corral.call.interruptSession.mutate({ cloudAgentSessionId: id })
    output(out, result, () => `${result.message}\n`)
  })

  withSession('rm', 'delete a session, its log and its workspace', async (id, out) => {
    const { corral } = await connect(env)
    const result = await corral.call.deleteSession.mutate({ cloudAgentSessionId: id })
    output(out, result, () => 'Deleted.\n')
  })

  withSession('diff', 'what has changed since the start', async (id, out) => {
    const { corral } = await connect(env)
    const diff = await corral.call.getDiff.query({ cloudAgentSessionId: id })
    // A pipe gets the exact patch, which `git apply` takes.
    output(out, diff, () => (diff.patch === '' ? diffSummary(diff) : out.live ? patchText(diff) : diff.patch))
  })

  withSession('timing', 'where the time went', async (id, out) => {
    const { corral } = await connect(env)
    const timing = await corral.call.getTiming.query({ cloudAgentSessionId: id })
    output(out, timing, () => waterfall(timing))
  })

  withSession(
    'network',
    'what its programs reached of the web, and what they were refused, by minute',
    async (id, out) => {
      const { corral } = await connect(env)
      const { visits } = await corral.call.getNetworkLog.query({ cloudAgentSessionId: id })
      output(out, visits, () => visits.map(visitLine).join('') || 'Nothing was asked for.\n')
    },
  )

  withSession('export', 'the conversation, in the form that "opencode import" reads', async (id, out) => {
    const { corral } = await connect(env)
    out.result(`${safeJson(await corral.exportSession(id), 2)}\n`)
  })

  function withSession(
    name: string,
    description: string,
    action: (id: SessionId, out: Terminal, prompt?: string) => Promise<void>,
  ): Command {
    return program
      .command(name)
      .description(description)
      .argument('<id>', 'the session, agent_…')
      .action(async (given: string, ...rest: unknown[]) => {
        const prompt = typeof rest[0] === 'string' ? rest[0] : undefined
        await action(sessionOf(given), terminal(), prompt)
      })
  }
}

async function run(env: NodeJS.ProcessEnv, out: Terminal, prompt: string, options: RunOptions): Promise<number> {
  const { corral, defaultModel } = await connect(env)
  const autoCommit = options.commit
  const ack = await corral.call.start.mutate({
    prompt,
    mode: options.mode,
    model: options.model ?? defaultModel,
    autoCommit,
    ...(options.pullRequest && { pullRequest: { draft: options.draft === true } }),
    ...permissions(options),
    ...repository(options.repo),
    ...(options.branch ? { upstreamBranch: options.branch } : {}),
    ...(options.agent ? { agentKind: options.agent } : {}),
  })
  const id = ack.cloudAgentSessionId
  if (options.detach) {
    output(out, ack, () => `${id}\n`)
    return 0
  }
  out.note(color('dim', `session ${id}`))
  const following = { autoCommit, pullRequest: options.pullRequest, from: 0 }
  const { exitCode, result } = await followExecution({ corral, terminal: out }, id, ack.executionId, following)
  if (out.json) return exitCode
  outputAnswer(out, result)
  out.freshLine()
  out.note(diffSummary(await corral.call.getDiff.query({ cloudAgentSessionId: id })).trimEnd())
  return exitCode
}

function permissions({ ask, deny }: RunOptions): { permissions?: Permissions } {
  const rules = (tools: string | undefined, action: 'ask' | 'deny') =>
    (tools ?? '')
      .split(',')
      .map((tool) => tool.trim())
      .filter((tool) => tool !== '')
      .map((tool) => ({ tool, action }))
  const all = [...rules(ask, 'ask'), ...rules(deny, 'deny')]
  return all.length === 0 ? {} : { permissions: { default: 'auto', rules: all } }
}

/** A folder on this machine, `owner/repo` on GitHub, or an address. */
function repository(given: string): { gitUrl: string } | { githubRepo: string } {
  if (existsSync(given)) return { gitUrl: resolve(given) }
  return /^[\w.-]+\/[\w.-]+$/.test(given) ? { githubRepo: given } : { gitUrl: given }
}

/** Who watches has seen it grow, and who takes JSON has its events. A pipe may well end at a terminal, too. */
function outputAnswer(out: Terminal, { assistant }: MessageResult): void {
  if (assistant && !out.live && !out.json) out.result(`${safeText(assistant.text)}\n`)
}

function sessionLine(session: Omit<SessionView, 'prompt'>): string {
  const state = session.execution
    ? 'running'
    : session.queuedCount > 0
      ? 'queued'
      : session.initiatedAt
        ? 'idle'
        : 'prepared'
  return `${session.sessionId}  ${state.padEnd(8)}  ${oneLine(session.githubRepo ?? session.gitUrl ?? '', 40).padEnd(40)}  ${oneLine(session.title ?? '', 60)}\n`
}

function visitLine({ minute, host, port, allowed, reason, visits, sentBytes, receivedBytes }: NetworkVisit): string {
  const what = allowed ? `${sentBytes} B sent, ${receivedBytes} B received` : `refused: ${reason}`
  return `${new Date(minute).toISOString().slice(0, 16)}  ${oneLine(`${host}:${port}`, 60).padEnd(40)}  ${visits} ×  ${what}\n`
}

function sessionText(session: SessionView): string {
  const rows: [string, string | undefined][] = [
    ['session', session.sessionId],
    ['title', safeText(session.title ?? '')],
    ['repository', session.githubRepo ?? session.gitUrl],
    ['agent', session.agentKind],
    ['model', session.model],
    ['running', session.execution ? `${session.execution.id} (${session.execution.health})` : 'nothing'],
    ['queued', String(session.queuedCount)],
    ['sandbox', session.sandboxStatus],
    ['agent is', session.agentStatus],
    [
      'workspace',
      [session.workspace.state, session.workspace.step, session.workspace.message].filter(Boolean).join(' · '),
    ],
    ['events', String(session.latestEventId)],
    ['last change', `${seconds(Date.now() - session.timestamp)} ago`],
  ]
  return rows.map(([name, value]) => `${name.padEnd(12)} ${safeText(value ?? '')}\n`).join('')
}
