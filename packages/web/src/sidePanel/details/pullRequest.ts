/** The pull request that an execution's finalization has made or found: pure. An address that is none on the web is none. */
import type { FinalizationData } from '@corral/protocol'

export function pullRequestOf(events: readonly FinalizationData[]): { url: string; text: string } | null {
  const made = events.findLast(({ kind, url }) => kind === 'pull_request' && url !== undefined)
  const url = URL.parse(made?.url ?? '')
  if (!made || !url || !['https:', 'http:'].includes(url.protocol)) return null
  return { url: url.href, text: made.number === undefined ? url.host + url.pathname : `#${made.number} on ${url.host}` }
}
