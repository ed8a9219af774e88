/** One session of the list: how it stands, what it is about, where it works, what it has cost, when it last changed. */
import type { SessionCost, SessionRow } from '@corral/protocol'
import { GitBranch, MoreHorizontal } from 'lucide-react'
import { Link } from 'wouter'
import { sessionAddress } from '../app/paths.ts'
import { Menu } from '../ui/Menu.tsx'
import { Time } from '../ui/Time.tsx'
import { usd } from '../usage/figures.ts'
import styles from './SessionLine.module.css'
import { StatusBadge } from './StatusBadge.tsx'
import { repositoryLabel } from './sessionList.ts'

export type SessionAction = 'rename' | 'share' | 'delete'

const actions: readonly (readonly [SessionAction, string])[] = [
  ['rename', 'Rename…'],
  ['share', 'Share…'],
]

export function SessionLine(props: {
  row: SessionRow
  cost: SessionCost | undefined
  organization: string | null
  onAction: (action: SessionAction, row: SessionRow) => void
}) {
  const { row, cost, organization, onAction } = props
  const act = (action: SessionAction, text: string) => ({ key: action, text, onSelect: () => onAction(action, row) })
  return (
    <div className={styles.line}>
      <span className={styles.status}>
        <StatusBadge row={row} />
      </span>
      <span className={styles.what}>
        {/* It covers the whole line; what else can be pressed lies above it. */}
        <Link className={styles.title} href={sessionAddress(row.cloudAgentSessionId)} data-session={row.sessionId}>
          {row.title || 'Untitled session'}
        </Link>
        <span className={styles.where}>
          {row.gitUrl !== null && <span className={styles.repository}>{repositoryLabel(row.gitUrl)}</span>}
          {row.gitBranch !== null && (
            <span className={styles.branch} title={row.gitBranch}>
              <GitBranch size={12} aria-hidden="true" /> {row.gitBranch}
            </span>
          )}
        </span>
      </span>
      <span className={styles.who}>{[organization, sourceOf(row)].filter(Boolean).join(' · ')}</span>
      <span
        className={styles.cost}
        title={cost?.unpricedCalls ? 'Some calls were of models without a price' : undefined}
      >
        {cost && cost.costUsd > 0 ? usd(cost.costUsd) : <span aria-hidden="true">–</span>}
      </span>
      <span className={styles.time}>
        <Time at={row.updatedAt} />
      </span>
      <span className={styles.menu}>
        <Menu
          label={`Actions for ${row.title || 'this session'}`}
          groups={[actions.map(([action, text]) => act(action, text)), [act('delete', 'Delete…')]]}
        >
          <MoreHorizontal size={16} aria-hidden="true" />
        </Menu>
      </span>
    </div>
  )
}

const sources: Readonly<Record<string, string>> = {
  web: 'Page',
  'cloud-agent': 'API',
  cli: 'Command line',
  vscode: 'VS Code',
}

/** Whence it came: what began it, or the program that pushes it from elsewhere. */
const sourceOf = ({ createdOnPlatform }: SessionRow): string => sources[createdOnPlatform] ?? createdOnPlatform
