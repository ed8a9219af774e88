/**
 * Takes answers at the terminal while a session is watched, one ask at a time. Who cannot answer here is told how to.
 * Invariant: an ask that was closed elsewhere is not asked for any longer.
 */
import { createInterface } from 'node:readline/promises'
import { type Corral, CorralCallError, type StreamItem } from '@corral/client'
import { type PermissionRequest, type QuestionRequest, type SessionId, vocabulary } from '@corral/protocol'
import { askSummary, type OpenAsk, permissionLine, permissionText, questionLine, questionText } from './show/asks.ts'
import { safeText } from './show/safeText.ts'
import { color, type Terminal } from './terminal.ts'

export type Answering = {
  /** Everything of the stream, in its order. */
  take(item: StreamItem): void
  close(): void
}

export function createAnswering(deps: { corral: Corral; terminal: Terminal; sessionId: SessionId }): Answering {
  const { corral, terminal, sessionId } = deps
  const atTerminal = terminal.live && process.stdin.isTTY === true
  const waiting = new Map<string, OpenAsk>()
  const told = new Set<string>()
  /** What is replayed may be closed long since; what is open comes with `connected`. */
  let live = false
  let asking: { id: string; abort: AbortController } | null = null

  function open(ask: OpenAsk): void {
    const { id } = ask.request
    if (told.has(id)) return
    told.add(id)
    if (!atTerminal) {
      const how = ask.kind === 'permission' ? 'once' : '<answer>'
      if (!terminal.json)
        terminal.note(color('yellow', `? ${askSummary(ask)}  (corral answer ${sessionId} ${id} ${how})`))
      return
    }
    waiting.set(id, ask)
    void next()
  }

  function closed(id: string): void {
    waiting.delete(id)
    if (asking?.id === id) asking.abort.abort()
  }

  async function next(): Promise<void> {
    const [first] = waiting.values()
    if (asking || !first) return
    const { id } = first.request
    const abort = new AbortController()
    const { signal } = abort
    asking = { id, abort }
    try {
      terminal.freshLine()
      await (first.kind === 'permission' ? permission(first.request, signal) : question(first.request, signal))
    } catch (error) {
      if (signal.aborted) terminal.note('Answered elsewhere, or no longer needed.')
      else if (error instanceof CorralCallError) terminal.note(safeText(error.message))
      else throw error
    } finally {
      waiting.delete(id)
      asking = null
      void next()
    }
  }

  async function permission(request: PermissionRequest, signal: AbortSignal): Promise<void> {
    const names = { cloudAgentSessionId: sessionId, permissionId: request.id }
    for (;;) {
      const answer = permissionLine(await readLine(permissionText(request), signal))
      if (answer) return void (await corral.call.answerPermission.mutate({ ...names, ...answer }))
    }
  }

  async function question(request: QuestionRequest, signal: AbortSignal): Promise<void> {
    const answers: string[][] = []
    for (const one of request.questions) {
      let line = questionLine(one, await readLine(questionText(one), signal))
      while ('problem' in line) line = questionLine(one, await readLine(`${line.problem} `, signal))
      answers.push(line.answer)
    }
    const names = { cloudAgentSessionId: sessionId, questionId: request.id }
    if (answers.every((answer) => answer.length === 0)) await corral.call.rejectQuestion.mutate(names)
    else await corral.call.answerQuestion.mutate({ ...names, answers })
  }

  return {
    take(item) {
      if (item.kind === 'connected') {
        live = true
        for (const request of item.state.questions) open({ kind: 'question', request })
        for (const request of item.state.permissions) open({ kind: 'permission', request })
      }
      if (item.kind === 'disconnected' || item.kind === 'restarted') live = false
      if (item.kind !== 'event' || item.event.streamEventType !== 'kilocode') return
      const { type, properties } = item.event.data
      if (live && type === 'question.asked') open({ kind: 'question', request: vocabulary[type].parse(properties) })
      if (live && type === 'permission.asked') open({ kind: 'permission', request: vocabulary[type].parse(properties) })
      if (type === 'question.replied' || type === 'question.rejected' || type === 'permission.replied')
        closed(vocabulary[type].parse(properties).requestID)
    },
    close() {
      waiting.clear()
      asking?.abort.abort()
    },
  }
}

async function readLine(text: string, signal: AbortSignal): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  // It takes Ctrl-C for itself; whoever watches for that is to have it.
  reader.on('SIGINT', () => void process.emit('SIGINT'))
  try {
    return await reader.question(color('yellow', '? ') + text, { signal })
  } finally {
    reader.close()
  }
}
