/**
 * For tests, as a process in a network namespace: an internet of one machine. It resolves the names of its zone, takes
 * connections at every address it has, and says on standard output which of them were connected to.
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'

/** Each look-up of a name takes the next of its answers. */
const zoneSchema = z.record(z.string(), z.array(z.array(z.string())))
const [zoneJson = '{}', ...ports] = process.argv.slice(2)
const zone = zoneSchema.parse(JSON.parse(zoneJson))
const lookups = new Map<string, number>()

const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)

const types = { ipv4: 1, ipv6: 28 } as const
const questionAt = 12

/** https://www.rfc-editor.org/rfc/rfc1035#section-4: one question, and the addresses of its type. */
function answerTo(query: Buffer): Buffer {
  const labels: string[] = []
  let at = questionAt
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const type = query.readUInt16BE(at + 1)
  const question = query.subarray(questionAt, at + 5)
  const name = labels.join('.').toLowerCase()
  const answers = zone[name] ?? []
  const key = `${name} ${type}`
  const time = lookups.get(key) ?? 0
  lookups.set(key, time + 1)
  const found = (answers[time % Math.max(1, answers.length)] ?? [])
    .map((address) => ipaddr.parse(address))
    .filter((address) => types[address.kind()] === type)
  const head = Buffer.alloc(questionAt)
  query.copy(head, 0, 0, 2)
  // An answer, recursion wanted and had; no such name where the zone has none.
  head.writeUInt16BE(zone[name] ? 0x8180 : 0x8183, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(found.length, 6)
  const records = found.map((address) => {
    const bytes = address.toByteArray()
    // The name of the question, the internet's class, and nothing to be kept.
    return Buffer.from([0xc0, questionAt, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length, ...bytes])
  })
  return Buffer.concat([head, question, ...records])
}

const resolver = createSocket('udp4')
resolver.on('message', (query, from) => resolver.send(answerTo(query), from.port, from.address))
resolver.bind(53, () => {
  let open = ports.length
  for (const port of ports) {
    const server = createServer((socket) => {
      say({ connected: ipaddr.process(socket.localAddress ?? '').toString(), port: socket.localPort })
      socket.on('error', () => {})
      socket.end('hello from there')
    })
    server.listen(Number(port), '::', () => {
      open -= 1
      if (open === 0) say({ ready: true })
    })
  }
})
