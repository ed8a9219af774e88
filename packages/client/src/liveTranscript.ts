/**
 * A transcript that stays current, made from a stream that begins with the log. Invariant: what is handed out is never
 * older than what was before, and begins when the replay is over; what comes while its reader is busy is in one step.
 */
import { emptyTranscript, logEventOf, reduce, type Transcript } from '@corral/transcript'
import type { StreamBatch } from './follow.ts'

export async function* liveTranscript(
  batches: AsyncIterable<StreamBatch>,
): AsyncGenerator<Transcript, void, undefined> {
  let transcript = emptyTranscript
  let caughtUp = false
  for await (const batch of batches) {
    if (batch.kind === 'disconnected') continue
    if (batch.kind === 'restarted') {
      transcript = emptyTranscript
      caughtUp = false
      continue
    }
    if (batch.kind === 'events') transcript = reduce(transcript, batch.events.map(logEventOf))
    else caughtUp = true
    if (caughtUp) yield transcript
  }
}
