/**
 * What a session is about, beside its conversation: what it changed, how long it took, what it used, what it reached,
 * and what it is made of. A view reads what it shows when it is shown, and again when the session has changed.
 */
import type { SessionView } from '@corral/protocol'
import { X } from 'lucide-react'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { Button } from '../ui/Button.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Tabs } from '../ui/Tabs.tsx'
import { Details } from './details/Details.tsx'
import { Diff } from './diff/Diff.tsx'
import { Network } from './network/Network.tsx'
import { type PanelSession, usePanelSession } from './panelSession.ts'
import styles from './SidePanel.module.css'
import { Timing } from './timing/Timing.tsx'
import { Usage } from './usage/Usage.tsx'

// The emulator is large, and most who look at a session never open it.
const Terminal = lazy(async () => ({ default: (await import('../terminal/TerminalPanel.tsx')).TerminalPanel }))

const views: readonly { key: string; title: string; view: (session: PanelSession) => ReactNode }[] = [
  { key: 'changes', title: 'Changes', view: (session) => <Diff session={session} /> },
  { key: 'terminal', title: 'Terminal', view: ({ id }) => <Terminal sessionId={id} /> },
  { key: 'timing', title: 'Timing', view: (session) => <Timing session={session} /> },
  { key: 'usage', title: 'Usage', view: (session) => <Usage session={session} /> },
  { key: 'network', title: 'Network', view: (session) => <Network session={session} /> },
  { key: 'details', title: 'Details', view: (session) => <Details session={session} /> },
]
const [firstView] = views

/** `onClose`: the panel lies over the conversation where the screen is narrow, and can be put away anywhere. */
export function SidePanel({ session, onClose }: { session: SessionView; onClose: () => void }) {
  const panelSession = usePanelSession(session)
  const [chosen, setChosen] = useState(firstView?.key ?? '')
  const shown = views.find(({ key }) => key === chosen) ?? firstView
  return (
    <div className={styles.panel}>
      <Button
        className={styles.close}
        kind="quiet"
        size="small"
        icon={<X size={16} aria-hidden="true" />}
        aria-label="Close the panel"
        onClick={onClose}
      />
      <Tabs label="About this session" tabs={views} shown={chosen} onShow={setChosen}>
        <Suspense fallback={<PageSpinner />}>{shown?.view(panelSession)}</Suspense>
      </Tabs>
    </div>
  )
}
