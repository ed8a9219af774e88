/** The control client for tests: waits at gates, releases them, reads the record. */
import { z } from 'zod'
import { maxArrivalWaitMs } from './control.ts'
import { type GateState, gateState, type RecordedRequest, recordedRequest } from './controlSchema.ts'

export type ScriptedModelControl = ReturnType<typeof scriptedModelControl>

const requestTimeoutMs = 10_000

export const scriptedModelControl = (url: string) => {
  const call = async (method: string, path: string, timeoutMs = requestTimeoutMs): Promise<unknown> => {
    const response = await fetch(`${url}/__corral${path}`, { method, signal: AbortSignal.timeout(timeoutMs) })
    if (!response.ok)
      throw new Error(`The scripted model answered ${response.status} to ${method} ${path}: ${await response.text()}`)
    return response.json()
  }
  const gatePath = (name: string) => `/gates/${encodeURIComponent(name)}`

  return {
    /** Resolves when a stream waits at the gate; rejects with a sentence after `timeoutMs`. */
    waitAtGate: async (name: string, timeoutMs: number): Promise<GateState> => {
      const deadline = Date.now() + timeoutMs
      do {
        const waitMs = Math.max(0, Math.min(deadline - Date.now(), maxArrivalWaitMs))
        const gate = gateState.parse(await call('GET', `${gatePath(name)}?waitMs=${waitMs}`, waitMs + requestTimeoutMs))
        if (gate.waiting > 0) return gate
      } while (Date.now() < deadline)
      throw new Error(
        `No stream came to the gate "${name}" within ${timeoutMs} ms; look at requests() for what the agent asked.`,
      )
    },

    /** Lets through who waits at the gate and who comes to it later. */
    release: async (name: string): Promise<void> => {
      await call('POST', `${gatePath(name)}/release`)
    },

    gates: async (): Promise<GateState[]> => z.array(gateState).parse(await call('GET', '/gates')),

    requests: async (): Promise<RecordedRequest[]> => z.array(recordedRequest).parse(await call('GET', '/requests')),

    /** Forgets all gates (who waits is let through) and all recorded requests. */
    reset: async (): Promise<void> => {
      await call('DELETE', '/gates')
      await call('DELETE', '/requests')
    },
  }
}
