/** Makes the texts of server-sent events out of events of one session's log. */
import { createHash } from 'node:crypto'
import type { Envelope, ExecutionId } from '@corral/protocol'
import type { Caller } from '../../../identity/caller.ts'
import type { Frame } from '../../../log/envelope.ts'
import type { Root, Roots } from '../../../sessions/reads/roots.ts'
import { directoryOf } from '../directories.ts'
import type { Projection } from '../projection.ts'
import { type Payload, payloadsOf } from './payload.ts'

export type TellerDependencies = { roots: Roots; projection: Projection; caller: Caller }

/** `numbered`: each event of the log carries its number, from which a client resumes. `global`: in the form of the global feed. */
export type Form = { numbered: boolean; global: boolean }

export const connected = (form: Form): string =>
  text({ id: 'evt_connected', type: 'server.connected', properties: {} }, '/cloud-agent', form)

export type Teller = ReturnType<typeof createTeller>

export function createTeller({ roots, projection, caller }: TellerDependencies, root: Root, form: Form) {
  const { agentSessionId } = root
  const directory = directoryOf(agentSessionId)
  const messageIds = new Map<ExecutionId, string>()
  /** People may have chosen another than the agent knows. */
  let { title } = root

  async function messageIdOf(id: ExecutionId): Promise<string | undefined> {
    if (!messageIds.has(id))
      for (const [found, messageId] of await roots.messageIds([id])) messageIds.set(found, messageId)
    return messageIds.get(id)
  }

  async function statusNow(): Promise<Payload> {
    const busy = await roots.status(caller, root.id)
    const status = busy.get(root.id)?.status ?? { type: 'idle' }
    return { type: 'session.status', properties: { sessionID: agentSessionId, status } }
  }

  async function payloads(event: Envelope): Promise<Payload[]> {
    if (event.streamEventType === 'queued') messageIds.set(event.data.executionId, event.data.messageId)
    const needsMessage = event.streamEventType !== 'kilocode' && event.executionId
    const told = payloadsOf(event, {
      agentSessionId,
      messageId: needsMessage ? await messageIdOf(needsMessage) : undefined,
      members: (value) => projection.members(root, value),
      session(info) {
        if (info.id !== agentSessionId) return projection.agentSession(root, info)
        if (isByUser(event) && typeof info.title === 'string') title = info.title
        return projection.agentSession(root, { ...info, title })
      },
    })
    return Promise.all(told.map((one) => ('payload' in one ? one.payload : statusNow())))
  }

  return {
    directory,
    statusNow,
    /** Empty for what nobody outside is told. */
    async tell(frames: readonly Frame[]): Promise<string> {
      let texts = ''
      for (const { seq, text: envelope } of frames) {
        const own = await payloads(JSON.parse(envelope))
        texts += own
          .map((payload, i) => {
            // The number stands on the last of an event's, so that a cut between them loses none.
            const number = form.numbered && i === own.length - 1 ? `id: ${seq}\n` : ''
            return number + text({ id: payloadId(root, seq, i), ...payload }, directory, form)
          })
          .join('')
      }
      return texts
    },
    /** What no event of the log says. */
    say: (payload: Payload): string =>
      text({ id: `evt_${crypto.randomUUID().replaceAll('-', '')}`, ...payload }, directory, form),
  }
}

const text = (payload: Payload & { id: string }, directory: string, { global }: Form): string =>
  `data: ${JSON.stringify(global ? { directory, payload } : payload)}\n\n`

const isByUser = (event: Envelope) => event.streamEventType === 'kilocode' && event.data.properties.by === 'user'

/** The same for the same event, whoever reads it and when. */
function payloadId({ id }: Root, seq: number, part: number): string {
  const tail = createHash('sha256').update(`${id} ${part}`).digest('hex').slice(0, 14)
  return `evt_${seq.toString(16).padStart(12, '0')}${tail}`
}
