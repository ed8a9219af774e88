/** Who calls: the user whose sessions are meant, for whom a bot may act, and whether one of our own back ends asks. */
export type Caller = {
  userId: string
  botId: string | null
  /** The internal key came with the call: one of our own back ends acts for that user. */
  internal: boolean
}

/** Whether a user belongs to an organization now. Asked at every use, never remembered. */
export type Membership = (userId: string, organizationId: string) => Promise<boolean>
