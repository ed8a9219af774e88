/**
 * What every view of the panel is about: one session, and whether something happens in it now. The metadata feed tells
 * when it has changed, so that what is shown is read again then, and not by a clock.
 */
import type { SessionId, SessionView } from '@corral/protocol'
import { useMemo, useSyncExternalStore } from 'react'
import { useCorral } from '../app/corral.tsx'

export type PanelSession = {
  id: SessionId
  isWorking: boolean
  /** Rises with each change of the session; part of the key of everything that is read of it. */
  revision: number
  /** Where its work lands; null until its workspace is there. */
  branch: string | null
}

export function usePanelSession({ sessionId: id, kiloSessionId }: Pick<SessionView, 'sessionId' | 'kiloSessionId'>) {
  const corral = useCorral()
  const live = useMemo(() => corral.sessions([kiloSessionId]), [corral, kiloSessionId])
  const { sessions } = useSyncExternalStore(live.subscribe, live.state)
  const [row] = sessions
  const isWorking = row !== undefined && row.status !== null && row.status !== 'idle'
  const revision = row?.revision ?? 0
  const branch = row?.gitBranch ?? null
  return useMemo((): PanelSession => ({ id, isWorking, revision, branch }), [id, isWorking, revision, branch])
}

/** How often a view is read again while its session works. */
export const whileWorkingMs = 4_000
