/** Sessions whose agents write as much as the log takes, each with a viewer; the viewers are a process of their own. */
import { type EventsFrame, type ExecutionId, newMessageId, newPartId, type SessionId } from '@corral/protocol'
import type { ServedStream } from '../packages/server/src/faces/cloud-agent/testStream.ts'
import { startChild } from './child.ts'
import type { FromViewers, ToViewers } from './viewers.ts'

export type StreamingSessions = AsyncDisposable & {
  /**
   * Offers so many events in frames of `size`, of which each session has `inFlight` unacked; resolves when all are acked
   * and all viewers have them.
   */
  offer(options: { total: number; size: number; inFlight: number }): Promise<void>
}

export async function openStreamingSessions(face: ServedStream, count: number): Promise<StreamingSessions> {
  const viewers = startChild<ToViewers, FromViewers>('./viewers.ts')
  const writers = await Promise.all(Array.from({ length: count }, () => openWriter(face)))
  await viewers.ask({ dial: await Promise.all(writers.map(({ viewerUrl }) => viewerUrl())) })
  return {
    async offer({ total, size, inFlight }) {
      await Promise.all([
        viewers.ask({ expect: total }),
        ...writers.map(({ write }) => write(total / count / size, size, inFlight)),
      ])
    },
    [Symbol.asyncDispose]: () => viewers[Symbol.asyncDispose](),
  }
}

async function openWriter({ sessions, caller, log, ticket, url }: ServedStream) {
  const input = { prompt: 'Say hello', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' }
  const { cloudAgentSessionId: session, executionId } = await sessions.start(caller, input)
  const events = textOf(executionId)
  let n = 0

  async function write(frames: number, size: number, inFlight: number): Promise<void> {
    const offers: Promise<unknown>[] = []
    for (let frame = 0; frame < frames; frame++) {
      const own = Array.from({ length: size }, () => events.next().value)
      offers.push(log.offer({ session, epoch: 0, from: n + 1, events: own }))
      n += size
      if (offers.length >= inFlight) await offers.shift()
    }
    await Promise.all(offers)
  }

  async function viewerUrl(): Promise<string> {
    const query = { cloudAgentSessionId: session, replay: 'false', ticket: await ticket(session as SessionId) }
    return `${url}/stream?${new URLSearchParams(query)}`
  }
  return { write, viewerUrl }
}

const deltasOfPart = 48

/** A text as agents write it: its beginning, its words one by one, and all of it again. */
function* textOf(executionId: ExecutionId): Generator<EventsFrame['events'][number], never> {
  const ids = { sessionID: 'ses_0', messageID: newMessageId() }
  const event = (type: string, properties: object) => ({ type: 'kilocode', executionId, data: { type, properties } })
  for (;;) {
    const partID = newPartId()
    const update = (text: string) =>
      event('message.part.updated', { part: { ...ids, id: partID, type: 'text', text, time: { start: Date.now() } } })
    yield update('')
    let text = ''
    for (let i = 0; i < deltasOfPart; i++) {
      const delta = `and these are the ${i}th few words `
      text += delta
      yield event('message.part.delta', { ...ids, partID, field: 'text', delta })
    }
    yield update(text)
  }
}
