/**
 * For tests, run as a process: follows one session at several addresses, aborts all when each is where it is to be, and
 * prints how long the process then lived. Whatever is left behind, a timer or a socket, keeps it alive.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sessionIdSchema } from '@corral/protocol'
import { createCorral } from '../corral.ts'

const [, , apiKey = '', sessionId, goodUrl = '', silentUrl = '', deadUrl = ''] = process.argv
const session = sessionIdSchema.parse(sessionId)
const leaving = new AbortController()
const { signal } = leaving

async function follow(url: string, until: string | null): Promise<void> {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  const over = (async () => {
    for await (const { kind } of createCorral({ url, apiKey }).stream(session, { signal })) {
      if (kind === until) resolve()
    }
  })()
  if (until !== null) await reached
  endings.push(over)
}
const endings: Promise<void>[] = []

// One is connected, one waits for an answer that never comes, one waits until it tries again.
await Promise.all([follow(goodUrl, 'connected'), follow(silentUrl, null), follow(deadUrl, 'disconnected')])
const { transcript } = createCorral({ url: goodUrl, apiKey })
for await (const { messages } of transcript(session)) if (messages.size > 0) break
await delay(50)
const abortedAt = performance.now()
leaving.abort()
await Promise.all(endings)
process.on('exit', () => console.log(Math.round(performance.now() - abortedAt)))
