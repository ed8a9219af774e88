/**
 * The identifiers of Corral, as branded strings, with the one place that mints and checks each of them.
 * Ids carry no order: order is `seq`. (OpenCode's own ids look ordered, but their 48-bit clock wraps.)
 */
import { ulid } from 'ulid'
import { z } from 'zod'

const uuidPattern = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

/** `agent_<uuid>`, lower case: one conversation of an agent about one checkout. */
export type SessionId = `agent_${string}`
/** `ses_` + 12 hex + 14 base62: the agent's own id of the session; `kiloSessionId` on the wire. */
export type AgentSessionId = `ses_${string}`
/** `exec_<ulid>`: one prompt and its run. */
export type ExecutionId = `exec_${string}`
/** `msg_` + 12 hex + 14 base62 when we mint it; agents may use other tails. */
export type MessageId = `msg_${string}`
/** `prt_…`: a part of a message. */
export type PartId = `prt_${string}`
/** `sbx_<uuid>`: our key of a sandbox. Its name on the wire is made by `sandboxName`. */
export type SandboxId = `sbx_${string}`
/** `dlv_<ulid>`: one callback and all attempts to deliver it. */
export type DeliveryId = `dlv_${string}`
/** `key_<ulid>`: what callbacks are signed with. */
export type CallbackKeyId = `key_${string}`
/** One life of a sandbox, from start to stop. */
export type BootId = `boot_${string}`

export const sessionIdSchema = z
  .string()
  .regex(new RegExp(`^agent_${uuidPattern}$`), 'must be agent_ followed by a lower-case UUID')
  .transform((id) => id as SessionId)
export const agentSessionIdSchema = z
  .string()
  .regex(/^ses_[0-9A-Za-z]{1,64}$/, 'must be ses_ followed by letters and digits')
  .transform((id) => id as AgentSessionId)
export const executionIdSchema = z
  .string()
  .regex(/^exec_[0-9A-HJKMNP-TV-Z]{26}$/, 'must be exec_ followed by a ULID')
  .transform((id) => id as ExecutionId)

/** A bare UUID, as sessions were called once, in the form in which an agent takes it. */
export const agentSessionIdOf = (id: string): AgentSessionId =>
  id.startsWith('ses_') ? `ses_${id.slice('ses_'.length)}` : `ses_${id.replaceAll('-', '').toLowerCase()}`

export const newSessionId = (): SessionId => `agent_${crypto.randomUUID()}`
export const newSandboxId = (): SandboxId => `sbx_${crypto.randomUUID()}`
export const newBootId = (): BootId => `boot_${crypto.randomUUID()}`
export const newCallbackKeyId = (): CallbackKeyId => `key_${ulid()}`
export const newExecutionId = (): ExecutionId => `exec_${ulid()}`
export const newAgentSessionId = (): AgentSessionId => `ses_${opencodeTail()}`
export const newMessageId = (): MessageId => `msg_${opencodeTail()}`
export const newPartId = (): PartId => `prt_${opencodeTail()}`

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** OpenCode's form of an id: 12 hex of a 48-bit clock, then 14 random base62 characters. */
function opencodeTail(): string {
  const clock = (BigInt(Date.now()) * 0x1000n) & 0xffff_ffff_ffffn
  const random = crypto.getRandomValues(new Uint8Array(14))
  const tail = Array.from(random, (byte) => base62[byte % 62]).join('')
  return clock.toString(16).padStart(12, '0') + tail
}

export type Owner = { userId: string; organizationId?: string | null; botId?: string | null }

/**
 * The name of a sandbox on the wire: `<org>__<user>`, personal `user:<user>__<user>`, with `__bot:<bot>`,
 * and with session isolation followed by `__ses:<session>`.
 */
export function sandboxName(owner: Owner, isolatedFor: SessionId | null): string {
  const scope = owner.organizationId
    ? `${owner.organizationId}__${owner.userId}`
    : `user:${owner.userId}__${owner.userId}`
  const bot = owner.botId ? `__bot:${owner.botId}` : ''
  return `${scope}${bot}${isolatedFor ? `__ses:${isolatedFor}` : ''}`
}

/** Where a session's checkout lies inside its sandbox. */
export function workspacePath(owner: Owner, session: SessionId): string {
  const scope = owner.organizationId ? `${owner.organizationId}/${owner.userId}` : owner.userId
  return `/workspace/${scope}/sessions/${session}`
}

/** The session's `HOME` inside its sandbox. */
export const homePath = (session: SessionId): string => `/home/${session}`

/** The branch that a session's work lands on unless an upstream branch is named. */
export const sessionBranch = (session: SessionId): string => `session/${session}`
