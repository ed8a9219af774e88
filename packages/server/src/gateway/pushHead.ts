/**
 * The beginning of a push: the commands before the pack, as pkt-lines (gitprotocol-pack, "Reference Update Request and
 * Packfile Transfer"), and whether the session may make it. Bounded; the pack itself is neither looked at nor held.
 */
export type PushCommand = { newId: string; ref: string }

export type PushHead =
  | {
      kind: 'push'
      commands: PushCommand[]
      capabilities: ReadonlySet<string>
      /** With a certificate, whose commands are then not read. */
      signed: boolean
      /** All that was read, to be sent on before the rest. */
      bytes: Buffer
    }
  /** A flush and nothing else: git asks whether it is let in before it sends a large pack. */
  | { kind: 'probe' }
  | { kind: 'malformed'; sentence: string }

const maxCommands = 100
/** A shallow clone names its boundary before the commands, 53 bytes for each commit. */
const maxHeadBytes = 1024 * 1024

const idPattern = '[0-9a-f]{40}|[0-9a-f]{64}'
const commandLine = new RegExp(`^(?:${idPattern}) (${idPattern}) (.+)$`, 's')
const shallowLine = new RegExp(`^shallow (?:${idPattern})$`)

export async function readPushHead(chunks: AsyncIterator<Buffer>): Promise<PushHead> {
  const reader = boundedReader(chunks)
  const malformed = (sentence: string): PushHead => ({ kind: 'malformed', sentence })
  const commands: PushCommand[] = []
  let capabilities: ReadonlySet<string> | null = null
  for (;;) {
    const packet = await readPacket(reader)
    if (packet.kind === 'broken') return malformed('this is not a push as git makes it.')
    if (packet.kind === 'flush') break
    if (shallowLine.test(packet.line)) continue
    // Only the first command has them.
    const [text = '', list = ''] = packet.line.split('\0', 2)
    capabilities ??= new Set(list.split(' ').filter((capability) => capability !== ''))
    if (text === 'push-cert') return { kind: 'push', commands, capabilities, signed: true, bytes: reader.bytes() }
    const [, newId, ref] = commandLine.exec(text) ?? []
    if (newId === undefined || ref === undefined) return malformed('this is not a push as git makes it.')
    if (commands.length === maxCommands) return malformed(`a push with more than ${maxCommands} commands is not read.`)
    commands.push({ newId, ref })
  }
  if (capabilities) return { kind: 'push', commands, capabilities, signed: false, bytes: reader.bytes() }
  const alone = reader.bytes().length === 4 && (await chunks.next()).done
  return alone ? { kind: 'probe' } : malformed('this push has no commands.')
}

/** Why a session may not make this push; null when it may. */
export function pushRefusal({ commands, capabilities, signed }: Extract<PushHead, { kind: 'push' }>, branch: string) {
  if (signed) return 'a signed push is not taken here.'
  if (capabilities.has('push-options')) return 'push options are not taken here.'
  const [command, ...more] = commands
  if (!command || more.length > 0) return 'a push may update one branch at a time.'
  if (command.ref !== `refs/heads/${branch}`) return `this session may push to ${branch} only.`
  if (/^0+$/.test(command.newId)) return `this session may not delete ${branch}.`
  return null
}

type Reader = {
  /** The next `length` bytes; null when there are not that many, or when the bound is reached. */
  take(length: number): Promise<Buffer | null>
  /** Everything that was received. */
  bytes(): Buffer
}

type Packet = { kind: 'line'; line: string } | { kind: 'flush' } | { kind: 'broken' }

/** One pkt-line, without its newline. Names of references are bytes; latin1 keeps them. */
async function readPacket(reader: Reader): Promise<Packet> {
  const size = (await reader.take(4))?.toString('latin1') ?? ''
  if (size === '0000') return { kind: 'flush' }
  const length = /^[0-9a-f]{4}$/i.test(size) ? Number.parseInt(size, 16) - 4 : 0
  const line = length > 0 ? await reader.take(length) : null
  return line ? { kind: 'line', line: line.toString('latin1').replace(/\n$/, '') } : { kind: 'broken' }
}

/** Grows by doubling, so that a body of one-byte chunks costs no more than another. */
function boundedReader(chunks: AsyncIterator<Buffer>): Reader {
  let held = Buffer.allocUnsafe(16 * 1024)
  let heldBytes = 0
  let readBytes = 0
  return {
    async take(length) {
      while (heldBytes < readBytes + length) {
        const next = heldBytes < maxHeadBytes ? await chunks.next() : { done: true as const }
        if (next.done) return null
        const needed = heldBytes + next.value.length
        if (needed > held.length) {
          const larger = Buffer.allocUnsafe(Math.max(needed, held.length * 2))
          held.copy(larger, 0, 0, heldBytes)
          held = larger
        }
        next.value.copy(held, heldBytes)
        heldBytes = needed
      }
      readBytes += length
      return held.subarray(readBytes - length, readBytes)
    },
    bytes: () => held.subarray(0, heldBytes),
  }
}
