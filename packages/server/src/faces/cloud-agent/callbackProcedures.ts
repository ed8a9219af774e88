/** The procedures about callbacks. Whose session it is, is asked of `sessions` first. */
import {
  type CallbackKey,
  callbackKeysInput,
  listCallbacksInput,
  namedSession,
  redeliverCallbackInput,
} from '@corral/protocol'
import type { CallbackKeys } from '../../callbacks/keys.ts'
import type { LookAfterCallbacks } from '../../callbacks/lookAfter.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { Procedures } from './procedures.ts'

type Keys = { keys: CallbackKey[] }

export type CallbackProcedures = {
  callbacks: LookAfterCallbacks & { keys: Pick<CallbackKeys, 'shown' | 'rotate'> }
  sessions: Pick<Sessions, 'access'>
}

export function callbackProcedures(
  { reads, writes, administers }: Pick<Procedures, 'reads' | 'writes' | 'administers'>,
  { callbacks, sessions }: CallbackProcedures,
) {
  return {
    listCallbacks: reads.input(listCallbacksInput).query(async ({ ctx, input }) => {
      const { id } = await sessions.access(ctx.caller, namedSession(input))
      return callbacks.list(id, input)
    }),
    redeliverCallback: writes.input(redeliverCallbackInput).mutation(async ({ ctx, input }) => {
      const { id } = await sessions.access(ctx.caller, namedSession(input))
      return callbacks.redeliver(id, input.deliveryId)
    }),
    getCallbackKeys: administers.input(callbackKeysInput).query(
      async ({ ctx, input }): Promise<Keys> => ({
        keys: await callbacks.keys.shown(ctx.caller, input.kilocodeOrganizationId),
      }),
    ),
    rotateCallbackKey: administers.input(callbackKeysInput).mutation(
      async ({ ctx, input }): Promise<Keys> => ({
        keys: await callbacks.keys.rotate(ctx.caller, input.kilocodeOrganizationId),
      }),
    ),
  }
}
