/**
 * From events of the log to what the SDKs call an event: the agent's own as they are but for places, ours in words of the
 * cloud. Pure. Never prompts, paths, or what a provider said of its errors. Source: 31 (c) "Event streams".
 */
import type { Envelope, StatusData } from '@corral/protocol'

export type Payload = { type: string; properties: Record<string, unknown> }

/** `session.status` of rows that no agent has changed; it is read when it is sent. */
export type Told = { payload: Payload } | { status: 'now' }

type Context = {
  agentSessionId: string
  /** The id of the user's message of this event's execution. */
  messageId: string | undefined
  members(value: Record<string, unknown>): Record<string, unknown>
  /** What an agent says of a session, in our form. */
  session(info: Record<string, unknown>): Record<string, unknown>
}

export function payloadsOf(event: Envelope, context: Context): Told[] {
  const { agentSessionId: sessionID, messageId: messageID } = context
  const message = (state: 'queued' | 'sent' | 'completed' | 'failed', reason?: string): Told => ({
    payload: { type: `cloud.message.${state}`, properties: { sessionID, messageID, ...(reason && { reason }) } },
  })
  switch (event.streamEventType) {
    case 'kilocode':
      return agentEvent(event.data, context)
    case 'queued':
      return [message('queued'), { status: 'now' }]
    case 'started':
      return [message('sent')]
    case 'complete':
      return [message('completed')]
    case 'interrupted':
      return [message('failed', 'interrupted'), { status: 'now' }]
    case 'error':
      // Without a reason it is a report in the middle of the work.
      return event.executionId && event.data.reason ? [message('failed', event.data.reason), { status: 'now' }] : []
    case 'status':
      return cloudStatus(event.data, sessionID)
    case 'finalization':
      return [
        { payload: { type: 'cloud.status', properties: { sessionID, type: 'finalizing', step: event.data.kind } } },
      ]
    default:
      return []
  }
}

function agentEvent({ type, properties }: Payload, { agentSessionId, members, session }: Context): Told[] {
  const { info } = properties
  if (type.startsWith('session.') && typeof info === 'object' && info !== null) {
    return [{ payload: { type, properties: { ...members({ ...properties, info: {} }), info: session({ ...info }) } } }]
  }
  const told: Told[] = [{ payload: { type, properties: members(properties) } }]
  if (type === 'session.status' && properties.sessionID === agentSessionId && isIdle(properties.status)) {
    // How older clients know the end of a turn.
    told.push({ payload: { type: 'session.idle', properties: { sessionID: agentSessionId } } })
  }
  return told
}

const isIdle = (status: unknown) =>
  typeof status === 'object' && status !== null && 'type' in status && status.type === 'idle'

const preparing: ReadonlySet<string | undefined> = new Set<StatusData['step']>([
  ...(['sandbox_create', 'supervisor_connect', 'clone', 'branch', 'restore', 'setup'] as const),
  ...(['agent_start', 'agent_session'] as const),
])

function cloudStatus({ step, state }: StatusData, sessionID: string): Told[] {
  if (!preparing.has(step)) return []
  const isReady = step === 'agent_session' && state === 'ok'
  const type = state === 'failed' ? 'error' : isReady ? 'ready' : 'preparing'
  return [{ payload: { type: 'cloud.status', properties: { sessionID, type, step } } }]
}
