/**
 * Hears an agent's own feed of events and says of each when it came. Started inside the network of a sandbox by
 * `feedInside.ts`; reads where and as whom from its environment, and writes a line for each event.
 */
import { createParser } from 'eventsource-parser'
import { toOurIds } from '../packages/supervisor/src/agents/opencode/messageIds.ts'
import { nowMs } from './conversation.ts'
import { keyOf } from './feedKey.ts'

const { FEED_ORIGIN = '', FEED_AUTHORIZATION = '' } = process.env

const { body } = await fetch(`${FEED_ORIGIN}/event`, { headers: { authorization: FEED_AUTHORIZATION } })
if (!body) throw new Error('The feed of the agent has no body.')
process.stdout.write(`${JSON.stringify({ connected: true })}\n`)

let atMs = 0
const parser = createParser({
  onEvent({ data }) {
    const key = keyOf(JSON.parse(toOurIds(data)))
    if (key) process.stdout.write(`${JSON.stringify({ key, atMs })}\n`)
  },
})
const decoder = new TextDecoder()
for await (const chunk of body) {
  atMs = nowMs()
  parser.feed(decoder.decode(chunk, { stream: true }))
}
