/** Who and what it went to: models, users, sessions, each with its part of the whole. */
import type { UsageFigures, UsageReport } from '@corral/protocol'
import { type ReactNode, useId, useState } from 'react'
import { Link } from 'wouter'
import { sessionAddress } from '../app/paths.ts'
import { Button } from '../ui/Button.tsx'
import styles from './Breakdowns.module.css'
import { compact, exact, usd } from './figures.ts'

const shownAtFirst = 8

type Row = UsageFigures & { key: string; name: ReactNode }

export function Breakdowns({ report }: { report: UsageReport }) {
  const { models, users, sessions } = report
  return (
    <div className={styles.breakdowns}>
      <Breakdown
        title="By model"
        rows={models.map((row) => ({ ...row, key: row.model, name: <code>{row.model}</code> }))}
      />
      {users.length > 1 && (
        <Breakdown
          title="By user"
          rows={users.map((row) => ({ ...row, key: row.userId, name: row.name ?? row.userId }))}
        />
      )}
      <Breakdown
        title={users.length > 1 ? 'By session, of yours' : 'By session'}
        rows={sessions.map((row) => ({
          ...row,
          key: row.cloudAgentSessionId,
          name:
            row.title === null ? (
              'A deleted session'
            ) : (
              <Link href={sessionAddress(row.cloudAgentSessionId)}>{row.title || 'Untitled session'}</Link>
            ),
        }))}
      />
    </div>
  )
}

function Breakdown({ title, rows }: { title: string; rows: readonly Row[] }) {
  const id = useId()
  const [isWhole, setWhole] = useState(false)
  if (rows.length === 0) return null
  const isFree = rows.every(({ costUsd }) => costUsd === 0)
  const weightOf = (row: Row) => (isFree ? row.promptTokens + row.completionTokens : row.costUsd)
  const largest = Math.max(...rows.map(weightOf), Number.MIN_VALUE)
  const shown = isWhole ? rows : rows.slice(0, shownAtFirst)
  return (
    <section aria-labelledby={id} className={styles.breakdown}>
      <h2 id={id}>{title}</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Cost</th>
            <th scope="col">In</th>
            <th scope="col">Out</th>
            <th scope="col">Calls</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={row.key}>
              <th scope="row">
                <span className={styles.name}>{row.name}</span>
                <span className={styles.part} style={{ inlineSize: `${(weightOf(row) / largest) * 100}%` }} />
              </th>
              <td>
                {usd(row.costUsd)}
                {row.unpricedCalls > 0 && <span title="Some calls had no price here">*</span>}
              </td>
              <td>{compact(row.promptTokens)}</td>
              <td>{compact(row.completionTokens)}</td>
              <td>{exact(row.calls)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shownAtFirst && (
        <Button kind="quiet" size="small" onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'Show fewer' : `Show all ${rows.length}`}
        </Button>
      )}
    </section>
  )
}
