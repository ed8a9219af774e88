/** Calls as a client makes them that does not give up: repeated until there is an answer, or a refusal for good. */
import { setTimeout as delay } from 'node:timers/promises'
import { CorralCallError } from '@corral/client'

const patienceMs = 120_000
const againMs = 250

export async function patiently<T>(call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const mayHelp = !(error instanceof CorralCallError) || !error.isFinal
      if (!mayHelp || performance.now() > deadline) throw error
    }
    await delay(againMs)
  }
}
