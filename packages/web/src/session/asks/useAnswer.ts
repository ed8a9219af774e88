/** Sends an answer once at a time. That the ask is closed then is told by the log, for everybody alike. */
import { useMutation } from '@tanstack/react-query'

export function useAnswer(): { send(call: () => Promise<unknown>): void; isSending: boolean; error: Error | null } {
  const sending = useMutation({ mutationFn: (call: () => Promise<unknown>) => call() })
  return { send: sending.mutate, isSending: sending.isPending, error: sending.error }
}
