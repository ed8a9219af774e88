/**
 * For how long this server has been able to see: silence that it caused itself (a pause of the process, an outage of
 * the database, links not accepted yet) is nobody else's fault, and clocks start again after it.
 * Source: 10-engine "Silence".
 */
const tickMs = 1_000
const pauseMs = 5_000

export function createWatch(sources: { acceptingForMs(): number; sinceOutageMs(): number }) {
  let lastTick = performance.now()
  let pauseEndedAt = Number.NEGATIVE_INFINITY

  const notePause = () => {
    const now = performance.now()
    if (now - lastTick > tickMs + pauseMs) pauseEndedAt = now
    lastTick = now
  }
  const ticker = setInterval(notePause, tickMs)

  return {
    watchingForMs(): number {
      // Whoever asks first after a pause must not see the time before it.
      notePause()
      return Math.min(sources.acceptingForMs(), sources.sinceOutageMs(), performance.now() - pauseEndedAt)
    },
    close: () => clearInterval(ticker),
  }
}
