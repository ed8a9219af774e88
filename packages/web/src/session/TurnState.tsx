/** How a turn stands: what is prepared for it, that it is worked on, what came of it, and why it failed. */
import { failures } from '@corral/protocol'
import type { Turn, TurnStep } from '@corral/transcript'
import { Check, CircleStop, GitCommitHorizontal, Package, TriangleAlert, X } from 'lucide-react'
import { inPlace } from '../ui/inPlace.ts'
import { Spinner } from '../ui/Spinner.tsx'
import { advice } from './advice.ts'
import { duration } from './duration.ts'
import { safeAddress } from './markdown/links.ts'
import styles from './messages.module.css'
import { Card } from './parts/Card.tsx'
import { useNow } from './parts/useNow.ts'
import { isOver } from './rows.ts'

export function TurnState({ turn }: { turn: Turn }) {
  return (
    <>
      {inPlace(turn.warnings).map(({ place, item: warning }) => (
        <p key={place} className={styles.warning}>
          <TriangleAlert size={14} role="img" aria-label="Warning" />
          {warning}
        </p>
      ))}
      {turn.failure ? <Failure failure={turn.failure} /> : <Standing turn={turn} />}
      {turn.finalization.length > 0 && <Finalization turn={turn} />}
    </>
  )
}

function Standing({ turn }: { turn: Turn }) {
  const now = useNow(!isOver(turn))
  const begun = turn.startedAt ?? turn.queuedAt
  const took = begun === null ? null : (turn.endedAt ?? now) - begun
  switch (turn.state) {
    case 'queued':
      return (
        <p className={styles.state}>
          <Spinner size={13} label="Waiting" /> Getting ready
        </p>
      )
    case 'running':
      return (
        <p className={styles.state}>
          <Spinner size={13} label="Working" /> Working{took !== null && took >= 1_000 && ` for ${duration(took)}`}
        </p>
      )
    case 'interrupted':
      return (
        <p className={styles.state}>
          <CircleStop size={14} aria-hidden="true" /> Stopped{turn.startedAt === null && ' before it began'}
        </p>
      )
    default:
      return (
        <p className={styles.state}>
          <Check size={14} aria-hidden="true" /> Done{took !== null && ` in ${duration(took)}`}
        </p>
      )
  }
}

function Failure({ failure: { reason, message } }: { failure: NonNullable<Turn['failure']> }) {
  const sentence = reason === null ? 'The turn failed.' : failures[reason].sentence
  return (
    <div className={styles.failure}>
      <h3>{sentence}</h3>
      {message !== sentence && <p>{message}</p>}
      {reason !== null && <p>{advice[reason]}</p>}
    </div>
  )
}

function Finalization({ turn }: { turn: Turn }) {
  return (
    <ul>
      {inPlace(turn.finalization).map(({ place, item: event }) => {
        const address = event.url === undefined ? null : safeAddress(event.url)
        return (
          <li key={place} className={styles.state}>
            <GitCommitHorizontal size={14} aria-hidden="true" />
            {address === null ? (
              said(event)
            ) : (
              <a href={address} target="_blank" rel="noopener noreferrer">
                {said(event)}
              </a>
            )}
          </li>
        )
      })}
    </ul>
  )
}

function said(event: Turn['finalization'][number]): string {
  const { kind, success, skipped, branch, commitHash, number, message } = event
  if (skipped !== undefined) return `No ${names[kind]}: ${skipped.replaceAll('_', ' ')}`
  if (!success) return `The ${names[kind]} failed${message ? `: ${message}` : ''}`
  switch (kind) {
    case 'commit':
      return `Committed ${commitHash?.slice(0, 8) ?? ''}${branch ? ` on ${branch}` : ''}`
    case 'push':
      return `Pushed${branch ? ` ${branch}` : ''}`
    case 'pull_request':
      return `Pull request${number === undefined ? '' : ` #${number}`}`
  }
}
const names = { commit: 'commit', push: 'push', pull_request: 'pull request' } as const

export function Preparation({ turn }: { turn: Turn }) {
  const { steps, startedAt } = turn
  const hasFailed = steps.some(({ state }) => state === 'failed')
  const isUnderWay = !isOver(turn) && startedAt === null
  const now = useNow(isUnderWay)
  const first = Math.min(...steps.map(({ at, durationMs = 0, state }) => (state === 'running' ? at : at - durationMs)))
  const last = isUnderWay ? now : Math.max(...steps.map(({ at }) => at))
  return (
    <Card
      id={`preparation ${turn.executionId}`}
      icon={isUnderWay ? <Spinner size={14} label="Preparing" /> : <Package size={15} />}
      verb={isUnderWay ? 'Preparing' : hasFailed ? 'Preparation' : 'Prepared'}
      about={isUnderWay ? steps.at(-1)?.message : `in ${steps.length} ${steps.length === 1 ? 'step' : 'steps'}`}
      note={last - first >= 1_000 ? duration(last - first) : ''}
      state={isUnderWay ? 'busy' : hasFailed && turn.state === 'failed' ? 'failed' : 'done'}
      isOpenByItself={turn.state === 'failed' && startedAt === null}
    >
      {() => (
        <ol className={styles.steps}>
          {inPlace(steps).map(({ place, item: step }) => (
            <li key={place} data-state={step.state}>
              <StepMark step={step} isUnderWay={isUnderWay} />
              <span>{step.message}</span>
              {step.durationMs !== undefined && <span className={styles.took}>{duration(step.durationMs)}</span>}
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}

function StepMark({ step: { state }, isUnderWay }: { step: TurnStep; isUnderWay: boolean }) {
  if (state === 'failed') return <X size={14} role="img" aria-label="Failed" />
  if (state === 'running' && isUnderWay) return <Spinner size={13} label="Under way" />
  return <Check size={14} role="img" aria-label="Done" />
}
