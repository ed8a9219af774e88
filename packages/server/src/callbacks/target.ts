/**
 * Where callbacks go: checked at admission, sealed in the database, opened for one attempt. Logs show the origin alone,
 * since paths and headers carry tokens.
 */
import { type ExecutionId, invalidInput } from '@corral/protocol'
import { z } from 'zod'
import type { OutboundPolicy } from '../outbound/policy.ts'
import { SealBroken, type Sealing } from '../secrets/sealing.ts'

/** Loose on purpose: what was admitted once is delivered, whatever the inputs' schemas have come to refuse. */
const storedSchema = z.object({ url: z.string(), headers: z.record(z.string(), z.string()).default({}) })
export type StoredTarget = z.output<typeof storedSchema>

export type CallbackTargets = {
  /** Throws `invalid_input` or `target_refused`. */
  admit(target: { url: string }): void
  /** For the row of this execution's callback, and for no other. */
  seal(executionId: ExecutionId, target: { url: string; headers?: Record<string, string> | undefined }): Buffer
  /** Null for what was sealed under another seal key. */
  open(executionId: ExecutionId, sealed: Uint8Array): StoredTarget | null
}

export function createCallbackTargets(deps: {
  sealing: Pick<Sealing, 'seal' | 'open'>
  outbound: Pick<OutboundPolicy, 'admit'>
}): CallbackTargets {
  const placeOf = (id: ExecutionId) => ({ table: 'callback', id })
  return {
    admit({ url }) {
      const address = new URL(url)
      if (address.username !== '' || address.password !== '') {
        throw invalidInput('callbackTarget.url', 'must not carry a user or a password; give a header instead')
      }
      deps.outbound.admit(address, 'callbackTarget.url')
    },
    seal: (id, { url, headers = {} }) => deps.sealing.seal(JSON.stringify({ url, headers }), placeOf(id)),
    open(id, sealed) {
      try {
        return storedSchema.parse(JSON.parse(deps.sealing.open(sealed, placeOf(id))))
      } catch (error) {
        if (error instanceof SealBroken) return null
        throw error
      }
    },
  }
}
