/**
 * Starts a session, once: what is sent carries an id of its own, and as long as its answer has not come, the same is sent
 * again, on "Try again" and after the page was loaded anew. Secrets are encrypted before anything leaves the page.
 */
import { type Corral, CorralCallError, encryptSecret } from '@corral/client'
import type { SessionId } from '@corral/protocol'
import { useEffect, useRef, useState } from 'react'
import { useCorral } from '../app/corral.tsx'
import { usePerson } from '../app/person.tsx'
import type { Draft } from './draft.ts'
import { readPendingStart, writePendingStart } from './draftStorage.ts'
import { checked, errorsOf, type FieldErrors, filled, type StartInput, withSecrets } from './request.ts'

export type StartState =
  | { phase: 'editing'; errors: FieldErrors; error: Error | null }
  | { phase: 'starting' }
  /** It is not known whether the server has it. */
  | { phase: 'unanswered'; error: Error }

const editing: StartState = { phase: 'editing', errors: {}, error: null }

export function useStart(onStarted: (id: SessionId) => void): {
  state: StartState
  start: (draft: Draft) => void
  /** The same once more. */
  again: () => void
  /** Back to the form; what was sent may have begun. */
  giveUp: () => void
} {
  const corral = useCorral()
  const { userId } = usePerson()
  const [state, setState] = useState<StartState>(editing)
  const isBusy = useRef(false)
  const started = useRef(onStarted)
  useEffect(() => {
    started.current = onStarted
  })

  async function send(prepare: () => Promise<StartInput>): Promise<void> {
    if (isBusy.current) return
    isBusy.current = true
    setState({ phase: 'starting' })
    try {
      const input = await prepare()
      writePendingStart(userId, { input, atMs: Date.now() })
      const { cloudAgentSessionId } = await corral.call.start.mutate(input)
      writePendingStart(userId, null)
      started.current(cloudAgentSessionId)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const isSettled = error instanceof CorralCallError && error.isFinal
      if (isSettled) writePendingStart(userId, null)
      const hasBeenSent = readPendingStart(userId, Date.now()) !== null
      setState(hasBeenSent ? { phase: 'unanswered', error } : { phase: 'editing', errors: fieldErrors(error), error })
    } finally {
      isBusy.current = false
    }
  }

  function again(): void {
    const pending = readPendingStart(userId, Date.now())
    if (pending) void send(async () => pending.input)
    else setState(editing)
  }

  // The page was loaded anew while an answer was awaited.
  const resume = useRef(again)
  useEffect(() => resume.current(), [])

  return {
    state,
    again,
    start(draft) {
      const result = checked(draft)
      if (result.ok) void send(() => encrypted(corral, draft, result.input))
      else setState({ phase: 'editing', errors: result.errors, error: null })
    },
    giveUp() {
      writePendingStart(userId, null)
      setState(editing)
    },
  }
}

async function encrypted(corral: Corral, draft: Draft, input: StartInput): Promise<StartInput> {
  const clientId = `page-${crypto.randomUUID()}`
  const secrets = filled(draft.secrets)
  if (secrets.length === 0) return withSecrets(input, {}, clientId)
  const { publicKey } = await corral.secretsPublicKey()
  const envelopes = await Promise.all(
    secrets.map(async ({ name, value }) => [name.trim(), await encryptSecret(publicKey, value)] as const),
  )
  return withSecrets(input, Object.fromEntries(envelopes), clientId)
}

function fieldErrors(error: Error): FieldErrors {
  if (!(error instanceof CorralCallError) || !Array.isArray(error.details)) return {}
  const details = error.details.flatMap((detail: unknown) =>
    typeof detail === 'object' && detail !== null && 'path' in detail && 'message' in detail
      ? [{ path: String(detail.path), message: String(detail.message) }]
      : [],
  )
  return errorsOf(details) ?? {}
}
