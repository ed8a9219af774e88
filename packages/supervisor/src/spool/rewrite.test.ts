import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { UpEvent } from '@corral/protocol'
import { emptyTranscript, type LogEvent, reduce, type Transcript } from '@corral/transcript'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sentEvents } from '../../../transcript/src/testing/randomLog.ts'
import { createFolder } from '../testing/folder.ts'
import { newOnes } from '../testing/takes.ts'
import { encodeEvent } from './encode.ts'
import { createOpenParts } from './openParts.ts'
import { openSpool, type Spool, type SpoolSizes } from './spool.ts'

const sizes: SpoolSizes = { segmentBytes: 1_000, waitingBytes: 3_000 }
const everything = { events: 10_000, bytes: 1 << 30 }

/** What a supervisor may send of a random log; the rest is the server's own. */
const upEvents = sentEvents.map((events) =>
  events.flatMap((event) => (event.type === 'queued' ? [] : [event as UpEvent])),
)

/** A spool as its supervisor has it, which may be killed. */
function createWorld(folder: string) {
  let openParts = createOpenParts()
  let spool = openSpool({ folder, epoch: 1, startN: 1, openParts, sizes })
  return {
    get spool() {
      return spool
    },
    append(given: UpEvent) {
      const { event, payload } = encodeEvent(given)
      spool.append(payload, { durable: false })
      openParts.note(event)
    },
    kill() {
      spool.close()
      openParts = createOpenParts()
      spool = openSpool({ folder, epoch: 1, startN: 1, openParts, sizes })
    },
  }
}

/** A server that takes what it is sent by the rule of numbers. */
function createServer() {
  const events: UpEvent[] = []
  let lastN = 0
  return {
    events,
    get lastN() {
      return lastN
    },
    take(spool: Spool, most = everything) {
      const { from, payloads } = spool.read(lastN + 1, most)
      const frame = { from, events: payloads.map((payload): UpEvent => JSON.parse(payload.toString())) }
      for (const { n, event } of newOnes(lastN, frame)) {
        lastN = n
        events.push(event)
      }
    },
    takeAll(spool: Spool) {
      while (lastN < spool.lastN) this.take(spool)
    },
  }
}

const logOf = (events: UpEvent[]): LogEvent[] =>
  events.map((event, i) => ({ ...event, type: event.type as never, seq: i + 1, at: 0 }))
const transcriptOf = (events: UpEvent[]) => shapeOf(reduce(emptyTranscript, logOf(events)))

/** All of it but the numbers themselves: what comes first, and what is said. */
function shapeOf({ messages, parts }: Transcript) {
  const inOrder = <T extends { position: number }>(entries: Iterable<T>) =>
    [...entries].sort((a, b) => a.position - b.position).map(({ position: _, ...rest }) => rest)
  return {
    messages: inOrder(messages.values()),
    parts: Object.fromEntries([...parts].map(([id, ofMessage]) => [id, inOrder(ofMessage.values())]).sort()),
  }
}

const isOther = ({ type }: UpEvent) => type !== 'kilocode' && type !== 'events_dropped'

const step = fc.oneof(
  { weight: 6, arbitrary: upEvents.map((events) => ({ do: 'append' as const, events })) },
  // Without an ack: the supervisor does not know that the server has it.
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 40 }).map((events) => ({ do: 'send' as const, events })) },
  { weight: 1, arbitrary: fc.constant({ do: 'ack' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'sweep' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'kill' as const }) },
)

describe('a spool that has grown too large', () => {
  it('makes the same transcript as all that was said, whatever was sent, acked or killed in between', () => {
    let rewritings = 0
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 14, size: 'max' }), (steps) => {
        const folder = createFolder()
        const world = createWorld(join(folder.path, '1'))
        const server = createServer()
        const said: UpEvent[] = []
        for (const current of steps) {
          if (current.do === 'append') {
            for (const event of current.events) {
              world.append(event)
              said.push(event)
            }
          } else if (current.do === 'send') server.take(world.spool, { events: current.events, bytes: 1 << 30 })
          else if (current.do === 'ack') world.spool.resume(server.lastN)
          else if (current.do === 'sweep') world.spool.sweep(performance.now() + 61_000)
          else world.kill()
          expect(world.spool.lastN).toBe(said.length)
        }
        server.takeAll(world.spool)
        world.spool.close()
        folder.remove()
        expect(transcriptOf(server.events)).toEqual(transcriptOf(said))
        expect(server.events.filter(isOther)).toEqual(said.filter(isOther))
        if (server.events.some(({ type }) => type === 'events_dropped')) rewritings++
      }),
      { numRuns: 40 },
    )
    expect(rewritings).toBeGreaterThan(8)
  }, 30_000)

  it('gives up the deltas of a text that it knows, and keeps those of one that an earlier supervisor began', () => {
    const folder = createFolder()
    const world = createWorld(join(folder.path, '1'))
    const server = createServer()
    const said: UpEvent[] = []
    const say = (type: string, properties: Record<string, unknown>) => {
      const event: UpEvent = { type: 'kilocode', data: { type, properties: { sessionID: 'ses_1', ...properties } } }
      world.append(event)
      said.push(event)
    }
    const begin = (id: string) =>
      say('message.part.updated', { part: { id, sessionID: 'ses_1', messageID: 'msg_1', type: 'text', text: '' } })
    const grow = (partID: string) =>
      say('message.part.delta', { messageID: 'msg_1', partID, field: 'text', delta: partID })
    begin('old')
    server.takeAll(world.spool)
    world.kill()
    begin('new')
    for (let i = 0; i < 100; i++) {
      grow('old')
      grow('new')
    }
    server.takeAll(world.spool)
    world.spool.close()
    folder.remove()
    const told = (events: UpEvent[], partID: string) =>
      events.filter((event) => event.type === 'kilocode' && event.data.properties.partID === partID).length
    expect(told(server.events, 'old')).toBe(100)
    expect(told(server.events, 'new')).toBeLessThan(40)
    expect(transcriptOf(server.events)).toEqual(transcriptOf(said))
  })

  it('is whole whenever its rewriting was killed', () => {
    let rewritings = 0
    fc.assert(
      fc.property(
        fc.array(upEvents, { minLength: 5, maxLength: 8, size: 'max' }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (logs, share) => {
          const root = createFolder()
          const [now, before, killed] = ['now', 'before', 'killed'].map((name) => join(root.path, name)) as [
            string,
            string,
            string,
          ]
          const world = createWorld(now)
          const said: UpEvent[] = []
          for (const event of logs.flat()) {
            rmSync(before, { recursive: true, force: true })
            cpSync(now, before, { recursive: true })
            world.append(event)
            const [old, fresh] = [before, now].map((folder) => new Set(readdirSync(folder))) as [
              Set<string>,
              Set<string>,
            ]
            const gone = [...old].filter((name) => !fresh.has(name)).sort()
            const merged = [...fresh].find((name) =>
              readFileSync(join(now, name), 'latin1').startsWith('{"type":"events_dropped"', 8),
            )
            if (gone.length > 0 && merged) {
              rewritings++
              for (const moment of moments({ merged: readFileSync(join(now, merged)), name: merged, gone, share })) {
                rmSync(killed, { recursive: true, force: true })
                cpSync(before, killed, { recursive: true })
                moment(killed)
                const server = createServer()
                const reopened = createWorld(killed)
                expect(reopened.spool.lastN).toBe(said.length)
                server.takeAll(reopened.spool)
                reopened.spool.close()
                expect(transcriptOf(server.events)).toEqual(transcriptOf(said))
                expect(readdirSync(killed).filter((name) => !name.endsWith('.spool'))).toEqual([])
              }
            }
            said.push(event)
          }
          world.spool.close()
          root.remove()
        },
      ),
      { numRuns: 3 },
    )
    expect(rewritings).toBeGreaterThan(3)
  }, 30_000)
})

/** Everything that a process which dies while rewriting may leave behind. */
function moments({ merged, name, gone, share }: { merged: Buffer; name: string; gone: string[]; share: number }) {
  const unfinished = (bytes: number) => (folder: string) => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${Number(name.slice(0, -6))}.spool.new`), merged.subarray(0, bytes))
  }
  const renamed = (removed: number) => (folder: string) => {
    writeFileSync(join(folder, name), merged)
    for (const old of gone.slice(0, removed)) rmSync(join(folder, old), { force: true })
  }
  return [
    unfinished(Math.floor(merged.length * share)),
    unfinished(merged.length),
    ...Array.from({ length: gone.length + 1 }, (_, removed) => renamed(removed)),
  ]
}
