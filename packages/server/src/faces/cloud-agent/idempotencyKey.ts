/** The header `Idempotency-Key` is another way to give `clientId`, for a request that makes one call. */
import { invalidInput, prepareSessionInput } from '@corral/protocol'

export type IdempotencyKey = { value: string | null; calls: number }

const keySchema = prepareSessionInput.shape.clientId.unwrap()

export function withClientId<Input extends { clientId?: string | undefined }>(
  input: Input,
  key: IdempotencyKey,
): Input {
  if (key.value === null) return input
  if (key.calls !== 1) throw invalidInput('Idempotency-Key', 'needs a request with one call')
  const clientId = keySchema.safeParse(key.value)
  if (!clientId.success) throw invalidInput('Idempotency-Key', clientId.error.issues[0]?.message ?? 'is not valid')
  if (input.clientId !== undefined && input.clientId !== clientId.data) {
    throw invalidInput('clientId', 'differs from Idempotency-Key')
  }
  return { ...input, clientId: clientId.data }
}
