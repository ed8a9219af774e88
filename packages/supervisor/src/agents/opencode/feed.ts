/**
 * The agent's feed of events (`GET /event`, server-sent events), connected again whenever it breaks while the agent
 * lives. What came in between is lost to the feed, which `connected` tells, so that the turn is read from the history.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import type { AgentApi } from './api.ts'
import { toOurIds } from './messageIds.ts'

/** The agent sends a heartbeat every 10 s. */
const silenceMs = 35_000
const againMs = 100

const eventSchema = z.looseObject({ type: z.string(), properties: z.looseObject({}) })
export type FeedEvent = z.infer<typeof eventSchema>

export type FeedHandlers = {
  event(event: FeedEvent): void
  /** The feed is there; `again` when it was there before, and events may be missing. */
  connected(again: boolean): void
}

/** Resolves when the feed is connected for the first time; ends with `signal`. */
export async function openFeed(options: {
  api: AgentApi
  handlers: FeedHandlers
  signal: AbortSignal
  log: Log
}): Promise<void> {
  const { api, handlers, signal, log } = options
  const first = await connect(api, signal)
  handlers.connected(false)
  void follow()

  async function follow(): Promise<void> {
    let connection = first
    for (;;) {
      await read(connection, handlers)
      for (;;) {
        if (signal.aborted) return
        await delay(againMs)
        try {
          connection = await connect(api, signal)
          break
        } catch (error) {
          if (!signal.aborted) log('info', 'the feed of the agent is not there', { error: errorText(error) })
        }
      }
      handlers.connected(true)
    }
  }
}

type Connection = { body: ReadableStream<Uint8Array>; heard(): void; close(): void }

async function connect(api: AgentApi, signal: AbortSignal): Promise<Connection> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), silenceMs)
  const body = await api.events(AbortSignal.any([signal, silence.signal]))
  return { body, heard: () => timer.refresh(), close: () => clearTimeout(timer) }
}

/** Resolves when the connection has ended, in whatever way. */
async function read({ body, heard, close }: Connection, handlers: FeedHandlers): Promise<void> {
  const parser = createParser({
    onEvent({ data }) {
      const event = eventSchema.safeParse(JSON.parse(toOurIds(data)))
      // Kilo's `sync` events repeat the others and have no properties.
      if (event.success) handlers.event(event.data)
    },
  })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      heard()
      parser.feed(decoder.decode(value, { stream: true }))
    }
  } catch (error) {
    // The agent has gone, or this side has hung up.
    if (!(error instanceof Error)) throw error
  } finally {
    close()
  }
}
