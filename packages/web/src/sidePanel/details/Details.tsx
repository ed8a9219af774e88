/** What a session is made of, what can be copied from it, and what can be done with it as a whole. */
import type { ExecutionId, SessionView } from '@corral/protocol'
import { finalizationDataSchema } from '@corral/protocol'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Download, ExternalLink, Pencil, Share2, Trash2 } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useLocation } from 'wouter'
import { useCorral } from '../../app/corral.tsx'
import { DeleteDialog } from '../../sessions/DeleteDialog.tsx'
import { RenameDialog } from '../../sessions/RenameDialog.tsx'
import { ShareDialog } from '../../sessions/ShareDialog.tsx'
import { repositoryLabel } from '../../sessions/sessionList.ts'
import { Button } from '../../ui/Button.tsx'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { Time } from '../../ui/Time.tsx'
import { useExecutions } from '../executions.tsx'
import panel from '../Panel.module.css'
import type { PanelSession } from '../panelSession.ts'
import { View } from '../View.tsx'
import styles from './Details.module.css'
import { pullRequestOf } from './pullRequest.ts'

type Action = 'rename' | 'share' | 'delete'

export function Details({ session }: { session: PanelSession }) {
  const corral = useCorral()
  const details = useQuery({
    queryKey: ['details', session.id, session.revision],
    queryFn: () => corral.call.getSession.query({ cloudAgentSessionId: session.id }),
    placeholderData: keepPreviousData,
  })
  return <View of={details}>{(view) => <Shown view={view} session={session} />}</View>
}

function Shown({ view, session }: { view: SessionView; session: PanelSession }) {
  const corral = useCorral()
  const [, go] = useLocation()
  const [action, setAction] = useState<Action | null>(null)
  const named = { cloudAgentSessionId: view.sessionId, title: view.title ?? '' }
  const sessionFor = (which: Action) => (action === which ? named : null)
  const close = () => setAction(null)
  const repository = view.githubRepo ?? view.gitUrl
  return (
    <div className={panel.view}>
      <div className={styles.actions}>
        <Button size="small" icon={<Pencil size={14} />} onClick={() => setAction('rename')}>
          Rename
        </Button>
        <Button size="small" icon={<Share2 size={14} />} onClick={() => setAction('share')}>
          Share
        </Button>
        <a className={styles.download} href={corral.exportUrl(view.sessionId)} download={`${view.kiloSessionId}.json`}>
          <Download size={14} aria-hidden="true" /> Export
        </a>
        <Button size="small" kind="danger" icon={<Trash2 size={14} />} onClick={() => setAction('delete')}>
          Delete
        </Button>
      </div>
      <dl className={styles.list}>
        {repository !== undefined && <Row name="Repository">{repositoryLabel(repository)}</Row>}
        <Branch view={view} session={session} />
        <Row name="Agent">{view.agentKind}</Row>
        {view.model && <Row name="Model">{view.variant ? `${view.model} (${view.variant})` : view.model}</Row>}
        {view.mode && <Row name="Mode">{view.mode}</Row>}
        <Row name="Sandbox">{view.sandboxStatus}</Row>
        <Row name="Agent’s process">{view.agentStatus}</Row>
        <Row name="Workspace">
          {[view.workspace.state, view.workspace.step, view.workspace.message ?? view.workspace.reason]
            .filter(Boolean)
            .join(' · ')}
        </Row>
        <Row name="Made with">{madeWith(view)}</Row>
        <Row name="Came from">{view.createdOnPlatform}</Row>
        <Row name="Last change">
          <Time at={view.timestamp} />
        </Row>
        <Row name="Events">{view.latestEventId.toLocaleString('en')}</Row>
        <Id name="Session" id={view.sessionId} />
        <Id name="Agent’s session" id={view.kiloSessionId} />
        {view.sandboxId && <Id name="Sandbox’s name" id={view.sandboxId} />}
        {view.orgId && <Id name="Organization" id={view.orgId} />}
      </dl>
      <RenameDialog session={sessionFor('rename')} onClose={close} />
      <ShareDialog session={sessionFor('share')} onClose={close} />
      <DeleteDialog session={sessionFor('delete')} onClose={close} onDeleted={() => go('/')} />
    </div>
  )
}

/** The branch of the work, and the pull request that came of it. */
function Branch({ view, session }: { view: SessionView; session: PanelSession }) {
  const corral = useCorral()
  const executions = useExecutions(session)
  const last = executions.find(({ status }) => status === 'completed')?.executionId ?? null
  const result = useQuery({
    queryKey: ['finalization', session.id, last],
    queryFn: () => (last ? readFinalization(last) : null),
    enabled: view.autoCommit === true && last !== null,
  })
  async function readFinalization(executionId: ExecutionId) {
    const { finalization = [] } = await corral.call.getMessageResult.query({
      cloudAgentSessionId: session.id,
      executionId,
    })
    return finalization.flatMap((data) => {
      const parsed = finalizationDataSchema.safeParse(data)
      return parsed.success ? [parsed.data] : []
    })
  }
  const pullRequest = pullRequestOf(result.data ?? [])
  return (
    <>
      {session.branch !== null && <Row name="Branch">{session.branch}</Row>}
      {pullRequest && (
        <Row name="Pull request">
          <a href={pullRequest.url} target="_blank" rel="noopener noreferrer">
            {pullRequest.text} <ExternalLink size={13} aria-label="in a new tab" />
          </a>
        </Row>
      )}
    </>
  )
}

function madeWith(view: SessionView): string {
  const counted = [
    [view.envVarCount, 'variable'],
    [view.secretCount, 'secret'],
    [view.setupCommandCount, 'setup command'],
    [view.mcpServerCount, 'MCP server'],
  ] as const
  const parts = counted.flatMap(([count, name]) => (count > 0 ? [`${count} ${name}${count === 1 ? '' : 's'}`] : []))
  const flags = [view.autoCommit && 'auto-commit', view.hasCallback && 'a callback'].filter((part) => part !== false)
  return [...parts, ...flags].join(', ') || 'nothing besides'
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={styles.row}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Id({ name, id }: { name: string; id: string }) {
  return (
    <Row name={name}>
      <span className={styles.id}>
        <code>{id}</code> <CopyButton kind="quiet" size="small" text={id} />
      </span>
    </Row>
  )
}
