/** Answers that go on for long, so that the end of an access or of the server ends them. */
import type { Authenticated } from '../../../identity/caller.ts'
import type { Standings } from '../../../identity/standings.ts'

export type Streams = ReturnType<typeof createStreams>

export function createStreams(deps: { standings: Pick<Standings, 'watch'> }) {
  const open = new Set<AbortController>()

  return {
    /** Until its client goes, its caller may see nothing more, or we stop. */
    open(caller: Authenticated, signal: AbortSignal) {
      const stop = new AbortController()
      const forget = new Map<string | null, () => void>()
      open.add(stop)
      stop.signal.addEventListener('abort', () => {
        open.delete(stop)
        for (const end of forget.values()) end()
      })
      signal.addEventListener('abort', () => stop.abort())

      /** The caller's standing in the organization of what is shown. */
      function watch(organizationId: string | null): void {
        if (forget.has(organizationId) || stop.signal.aborted) return
        const { userId, proof } = caller
        const standing = { userId, organizationId, credential: proof.credential }
        forget.set(
          organizationId,
          deps.standings.watch(standing, () => stop.abort()),
        )
      }
      watch(null)
      return { stop, watch }
    },
    close(): void {
      for (const stop of open) stop.abort()
    },
  }
}
