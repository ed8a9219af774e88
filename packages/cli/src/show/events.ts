/**
 * A session's log as a person reads it: the agent's text as it grows, one line per tool call and per step. Holds only
 * what is needed to tell what has been shown already.
 */
import { type Envelope, type KilocodeData, type Part, vocabulary } from '@corral/protocol'
import { z } from 'zod'
import { color, type Terminal } from '../terminal.ts'
import { oneLine, safeJson, safeText } from './safeText.ts'

/** What agents say of a tool call. Whatever is missing or of another form is not shown. */
const words = z.string().catch('')
const toolPartSchema = z.object({
  tool: z.string().catch('tool'),
  state: z.object({
    status: z.string(),
    input: z.record(z.string(), z.unknown()).catch({}),
    title: words,
    output: words,
    error: words,
  }),
})
type ToolPart = z.infer<typeof toolPartSchema>

export function eventPrinter(terminal: Terminal) {
  /** The session itself; its sub-agents' texts are between them and it. */
  let agentSessionId: string | null = null
  const answers = new Set<string>()
  /** How much of each text of an answer has been shown. */
  const shown = new Map<string, number>()
  /** The last status of each tool call. */
  const statuses = new Map<string, string>()

  function show(partId: string, fresh: string): void {
    const before = shown.get(partId)
    if (before === undefined || fresh === '') return
    shown.set(partId, before + fresh.length)
    if (!terminal.live) return
    if (before === 0) terminal.freshLine()
    terminal.result(safeText(fresh))
  }

  function text(part: Part): void {
    if (!answers.has(part.messageID)) return
    const before = shown.get(part.id) ?? 0
    shown.set(part.id, before)
    if (typeof part.text === 'string') show(part.id, part.text.slice(before))
  }

  function tool(part: Part): void {
    const call = toolPartSchema.safeParse(part).data
    if (!call || statuses.get(part.id) === call.state.status) return
    statuses.set(part.id, call.state.status)
    const name = oneLine(call.tool, 40)
    const { status, output, error } = call.state
    if (status === 'running') terminal.note(color('cyan', `⏵ ${name} `) + color('dim', subject(call)))
    if (status === 'completed') terminal.note(color('green', `✔ ${name} `) + color('dim', oneLine(output, 80)))
    if (status === 'error') terminal.note(color('red', `✘ ${name} `) + oneLine(error))
  }

  function kilocode({ type, properties }: KilocodeData): void {
    if (type === 'message.updated') {
      const { id, sessionID, role } = vocabulary[type].parse(properties).info
      agentSessionId ??= sessionID
      if (role === 'assistant' && sessionID === agentSessionId) answers.add(id)
    }
    if (type === 'message.part.updated') {
      const { part } = vocabulary[type].parse(properties)
      if (part.type === 'text') text(part)
      if (part.type === 'tool') tool(part)
    }
    if (type === 'message.part.delta') {
      const { partID, field, delta } = vocabulary[type].parse(properties)
      if (field === 'text') show(partID, delta)
    }
  }

  return function print(event: Envelope): void {
    if (terminal.json) terminal.result(`${safeJson(event)}\n`)
    else if (event.streamEventType === 'kilocode') kilocode(event.data)
    else if (event.streamEventType === 'queued') agentSessionId = event.data.agentSessionId
    else {
      const line = lineOf(event)
      if (line !== null) terminal.note(line)
    }
  }
}

/** What an event that is not the agent's own says in one line; null when it says nothing to people. */
function lineOf(event: Envelope): string | null {
  switch (event.streamEventType) {
    case 'status': {
      const { message, step, state, durationMs, level } = event.data
      if (level === 'warning') return color('yellow', `! ${oneLine(message)}`)
      if (!step) return color('dim', oneLine(message))
      if (state === 'ok') return color('dim', `· ${step} ${seconds(durationMs ?? 0)}`)
      return state === 'failed' ? color('red', `· ${step} failed: ${oneLine(message)}`) : null
    }
    case 'output':
      return color('dim', oneLine(event.data.content))
    case 'error':
      return color('red', `✘ ${oneLine(event.data.error, 300)}`)
    case 'interrupted':
      return color('yellow', '■ stopped')
    case 'finalization': {
      const { kind, success, skipped, url, commitHash, branch, message } = event.data
      const what = skipped
        ? `skipped (${skipped})`
        : success
          ? (url ?? commitHash ?? branch ?? 'done')
          : (message ?? 'failed')
      return color(success ? 'green' : 'yellow', `${success ? '✔' : '!'} ${kind}: ${oneLine(what)}`)
    }
    case 'complete':
      return color('green', `✔ done in ${seconds(event.data.metadata.executionTimeMs)}`)
    default:
      return null
  }
}

/** What a tool call is about, in a few words. */
function subject({ state: { input, title } }: ToolPart): string {
  const telling = input.command ?? input.filePath ?? input.path ?? input.pattern ?? input.description ?? title
  return oneLine(typeof telling === 'string' ? telling : (JSON.stringify(telling) ?? ''))
}

export const seconds = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`)
