import type { SessionRow } from '@corral/protocol'
import { Badge, type Tone } from '../ui/Badge.tsx'
import { type ShownStatus, shownStatus } from './sessionList.ts'

const shown: Record<ShownStatus, { tone: Tone; text: string }> = {
  'needs you': { tone: 'waiting', text: 'Needs you' },
  running: { tone: 'busy', text: 'Running' },
  idle: { tone: 'neutral', text: 'Idle' },
  failed: { tone: 'bad', text: 'Failed' },
}

/** How a session stands, in a word. */
export function StatusBadge({ row }: { row: Pick<SessionRow, 'status'> }) {
  const status = shownStatus(row)
  return (
    <Badge tone={shown[status].tone} live={status === 'running'}>
      {shown[status].text}
    </Badge>
  )
}
