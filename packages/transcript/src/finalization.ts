/** What came of an execution's finalization, from its `finalization` events: for callbacks, results and people. Pure. */
import type { FinalizationData } from '@corral/protocol'

export type FinalizationResult = {
  branch?: string
  commitHash?: string
  pushStatus: NonNullable<FinalizationData['pushStatus']>
  pullRequestUrl?: string
}

/** In their order. A finalization that was begun again tells again what it finds: what is done already stays done. */
export function finalizationResult(events: readonly FinalizationData[]): FinalizationResult {
  const last = <K extends keyof FinalizationData>(name: K) =>
    events.findLast((event) => event[name] !== undefined)?.[name]
  const branch = last('branch')
  const commitHash = last('commitHash')
  const pullRequestUrl = events.findLast(({ kind, url }) => kind === 'pull_request' && url !== undefined)?.url
  const pushed = events.some(({ pushStatus }) => pushStatus === 'pushed')
  return {
    ...(branch !== undefined && { branch }),
    ...(commitHash !== undefined && { commitHash }),
    pushStatus: pushed ? 'pushed' : (last('pushStatus') ?? 'not_attempted'),
    ...(pullRequestUrl !== undefined && { pullRequestUrl }),
  }
}
