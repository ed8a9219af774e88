/** Who calls, and how that was proved. Both are about one request; nothing of it is remembered for the next. */
import type { Scope } from '@corral/protocol'

/** The user whose sessions are meant, for whom a bot may act, and whether one of our own back ends asks. */
export type Caller = {
  userId: string
  botId: string | null
  /** The internal key came with the call: one of our own back ends acts for that user. */
  internal: boolean
  /** One of our own back ends has asked for work that no budget refuses. */
  skipsBalanceCheck?: boolean
  /** Absent where a part of Corral itself acts for this user. */
  proof?: Proof
}

/** A caller from outside. Every face has one of these before it does anything. */
export type Authenticated = Caller & { proof: Proof }

export type Proof = {
  credential: Credential
  scopes: readonly Scope[]
  /** Of the machine that connected to us; null when that is not known. */
  address: string | null
}

/** What was shown. A key and a sign-in can be taken back at any moment; a token only ends. */
export type Credential = { kind: 'key'; id: string } | { kind: 'sign-in'; id: string } | { kind: 'token' }

/** Whether a user belongs to an organization now. Asked at every use, never remembered. */
export type Membership = (userId: string, organizationId: string) => Promise<boolean>
