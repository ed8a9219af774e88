/**
 * The record of model requests, oldest first, the last 1,000. It also knows how often one and the same request has
 * failed: an agent that retries sends it again, word by word.
 */
import type { Outcome, RecordedRequest } from './controlSchema.ts'

export type Requests = ReturnType<typeof createRequests>

const maxRecords = 1_000

export const createRequests = () => {
  let records: { request: RecordedRequest; fingerprint: string }[] = []
  return {
    list: (): RecordedRequest[] => records.map(({ request }) => request),

    add: (request: RecordedRequest, fingerprint: string): void => {
      records = [...records.slice(1 - maxRecords), { request, fingerprint }]
    },

    settle: (id: string, outcome: Outcome): void => {
      const record = records.find(({ request }) => request.id === id)
      if (record) record.request = { ...record.request, outcome }
    },

    failedAttempts: (fingerprint: string): number =>
      records.filter((record) => record.fingerprint === fingerprint && record.request.outcome === 'failed').length,

    reset: (): void => {
      records = []
    },
  }
}
