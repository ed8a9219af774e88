/**
 * Watches one execution until it and its finalization are over. Ctrl-C once stops the agent, twice leaves. The exit
 * code tells how it went: 0 completed, 1 failed, 130 interrupted.
 */
import type { Corral } from '@corral/client'
import type { Envelope, ExecutionId, MessageResult, SessionId } from '@corral/protocol'
import { createAnswering } from './answering.ts'
import { explain } from './cliError.ts'
import { eventPrinter } from './show/events.ts'
import type { Terminal } from './terminal.ts'

/** A push may take this long after the turn; the server gives up after three minutes itself. */
const finalizationMs = 190_000

export async function followExecution(
  deps: { corral: Corral; terminal: Terminal },
  sessionId: SessionId,
  executionId: ExecutionId,
  /** `from`: what came before is not shown. */
  options: { autoCommit: boolean; pullRequest?: boolean | undefined; from: number },
): Promise<{ exitCode: number; result: MessageResult }> {
  const { corral, terminal } = deps
  const leave = new AbortController()
  const release = onInterrupt({
    once: async () => {
      terminal.note('Stopping the agent … (Ctrl-C again leaves it to stop by itself)')
      await corral.call.interruptSession.mutate({ cloudAgentSessionId: sessionId })
    },
    twice: () => leave.abort(),
  })
  const print = eventPrinter(terminal)
  const answering = createAnswering({ corral, terminal, sessionId })
  let ended = false
  let over: NodeJS.Timeout | undefined
  try {
    for await (const item of corral.stream(sessionId, { from: options.from, signal: leave.signal })) {
      answering.take(item)
      if (item.kind === 'disconnected') terminal.note(`Connection lost; trying again in ${item.retryInMs} ms.`)
      if (item.kind !== 'event') continue
      const { event } = item
      if (event.executionId === undefined || event.executionId === executionId) print(event)
      if (event.executionId !== executionId) continue
      if (isEnding(event)) {
        ended = true
        if (!options.autoCommit || event.streamEventType !== 'complete') break
        over = setTimeout(() => leave.abort(), finalizationMs)
      }
      if (ended && isLastOfFinalization(event, options.pullRequest ?? false)) break
    }
  } finally {
    clearTimeout(over)
    answering.close()
    release()
  }
  const result = await corral.call.getMessageResult.query({ cloudAgentSessionId: sessionId, executionId })
  return { exitCode: exitCodeOf(result), result }
}

const exitCodeOf = ({ status }: MessageResult) => (status === 'completed' ? 0 : status === 'failed' ? 1 : 130)

function isEnding(event: Envelope): boolean {
  if (event.streamEventType === 'error') return event.data.reason !== undefined
  return event.streamEventType === 'complete' || event.streamEventType === 'interrupted'
}

/** The push is the last step, unless a pull request follows; after a commit that is not to be pushed there is none. */
function isLastOfFinalization(event: Envelope, pullRequest: boolean): boolean {
  if (event.streamEventType === 'status') return event.data.level === 'warning'
  if (event.streamEventType !== 'finalization') return false
  const { kind, pushStatus } = event.data
  return kind === 'pull_request' || (!pullRequest && (kind === 'push' || pushStatus === 'not_attempted'))
}

function onInterrupt(actions: { once(): Promise<void>; twice(): void }): () => void {
  let count = 0
  const listener = () => {
    count++
    if (count === 1) void actions.once().catch((error: unknown) => process.stderr.write(`${explain(error)}\n`))
    else actions.twice()
  }
  process.on('SIGINT', listener)
  return () => void process.off('SIGINT', listener)
}
