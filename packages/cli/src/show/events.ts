/**
 * A session's log as a person reads it: the agent's text as it grows, one line per tool call and per step. Holds only
 * what is needed to tell what has been shown already.
 */
import type { Envelope } from '@corral/protocol'
import type { Terminal } from '../terminal.ts'
import { color } from '../terminal.ts'
import { oneLine, safeText } from './safeText.ts'

type ToolPart = {
  id: string
  tool?: string
  state?: { status?: string; input?: Record<string, unknown>; title?: string; error?: string; output?: string }
}

export function eventPrinter(terminal: Terminal) {
  /** How much of each text part has been shown. */
  const shown = new Map<string, number>()
  const texts = new Map<string, { type: string; assistant: boolean }>()
  const assistants = new Set<string>()
  const tools = new Map<string, string>()

  function text(partId: string, whole: string | null, delta: string): void {
    const kind = texts.get(partId)
    if (!kind?.assistant || kind.type !== 'text') return
    const before = shown.get(partId) ?? 0
    const fresh = whole === null ? delta : whole.slice(before)
    shown.set(partId, before + fresh.length)
    if (terminal.live && fresh !== '') terminal.result(safeText(fresh))
  }

  function tool(part: ToolPart): void {
    const status = part.state?.status
    if (!status || tools.get(part.id) === status) return
    tools.set(part.id, status)
    const name = part.tool ?? 'tool'
    if (status === 'running') terminal.note(color('cyan', `⏵ ${name} `) + color('dim', subject(part)))
    if (status === 'completed')
      terminal.note(color('green', `✔ ${name} `) + color('dim', oneLine(part.state?.output ?? '', 80)))
    if (status === 'error') terminal.note(color('red', `✘ ${name} `) + oneLine(part.state?.error ?? ''))
  }

  function kilocode(data: { type: string; properties: Record<string, unknown> }): void {
    const { type, properties } = data
    if (type === 'message.updated') {
      const info = properties.info as { id: string; role: string }
      if (info.role === 'assistant') assistants.add(info.id)
    }
    if (type === 'message.part.updated') {
      const part = properties.part as { id: string; messageID: string; type: string; text?: string }
      texts.set(part.id, { type: part.type, assistant: assistants.has(part.messageID) })
      if (part.type === 'text') text(part.id, part.text ?? '', '')
      if (part.type === 'tool') tool(part as ToolPart)
    }
    if (type === 'message.part.delta') text(String(properties.partID), null, String(properties.delta))
  }

  return function print(event: Envelope): void {
    if (terminal.json) terminal.result(`${JSON.stringify(event)}\n`)
    else if (event.streamEventType === 'kilocode') kilocode(event.data)
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
      const { kind, success, skipped, commitHash, branch, message } = event.data
      const what = skipped ? `skipped (${skipped})` : success ? (commitHash ?? branch ?? 'done') : (message ?? 'failed')
      return color(success ? 'green' : 'yellow', `${success ? '✔' : '!'} ${kind}: ${oneLine(what)}`)
    }
    case 'complete':
      return color('green', `✔ done in ${seconds(event.data.metadata.executionTimeMs)}`)
    default:
      return null
  }
}

/** What a tool call is about, in a few words. */
function subject({ state }: ToolPart): string {
  const input = state?.input ?? {}
  const telling =
    input.command ?? input.filePath ?? input.path ?? input.pattern ?? input.description ?? state?.title ?? ''
  return oneLine(String(telling))
}

export const seconds = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`)
