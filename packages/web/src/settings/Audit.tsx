/** Who did what, newest first: of an organization for its admins, of everything for operators. */
import type { AuditEntry } from '@corral/protocol'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useCorral } from '../app/corral.tsx'
import { useOrganizations } from '../app/organization.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Button } from '../ui/Button.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Row, Rows } from '../ui/Rows.tsx'
import { Section } from '../ui/Section.tsx'
import { Select } from '../ui/Select.tsx'
import { Spinner } from '../ui/Spinner.tsx'
import { Time } from '../ui/Time.tsx'
import styles from './Audit.module.css'
import { auditWords } from './auditWords.ts'

const everything = 'everything'
const firstPage: string | undefined = undefined

export function Audit({ isOperator }: { isOperator: boolean }) {
  useTitle('Audit log')
  const organizations = useOrganizations()
  const administered = (organizations.data ?? []).filter(({ role }) => role === 'admin' || role === 'owner')
  const options = [...(isOperator ? [everything] : []), ...administered.map(({ organizationId }) => organizationId)]
  const [chosen, choose] = useState<string | null>(null)
  const shown = chosen ?? options[0] ?? null
  const nameOf = (id: string) =>
    id === everything ? 'Everything' : (administered.find((one) => one.organizationId === id)?.name ?? id)

  return (
    <Section
      title="Audit log"
      about="Who did what, with which credential and from where."
      actions={
        shown !== null && <Select label="Of what" value={shown} options={options} say={nameOf} onChange={choose} />
      }
    >
      {organizations.isPending && <Spinner />}
      {organizations.data && shown === null && (
        <Rows label="Audit log" empty="It is shown to admins of an organization and to operators.">
          {[]}
        </Rows>
      )}
      {shown !== null && (
        <Entries key={shown} organizationId={shown === everything ? undefined : shown} isOperator={isOperator} />
      )}
    </Section>
  )
}

type Of = { organizationId: string | undefined; isOperator: boolean }

function Entries({ organizationId, isOperator }: Of) {
  const corral = useCorral()
  const names = useNames({ organizationId, isOperator })
  const pages = useInfiniteQuery({
    queryKey: ['audit', organizationId ?? everything],
    queryFn: ({ pageParam }) => corral.call.listAudit.query({ organizationId, cursor: pageParam }),
    initialPageParam: firstPage,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  })
  if (pages.error) return <ErrorState error={pages.error} retry={() => void pages.refetch()} />
  if (!pages.data) return <Spinner />
  const entries = pages.data.pages.flatMap((page) => page.entries)
  return (
    <>
      <Rows label="Audit log" empty="Nothing has happened yet.">
        {entries.map((entry) => (
          <Row key={entry.id} title={auditWords[entry.action]} about={<Facts entry={entry} names={names} />}>
            <span className={styles.time}>
              <Time at={entry.at} />
            </span>
          </Row>
        ))}
      </Rows>
      {pages.hasNextPage && (
        <div className={styles.more}>
          <Button busy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            Show older entries
          </Button>
        </div>
      )}
    </>
  )
}

/** Of those whom the reader may know: everybody for operators, else the members. By their ids. */
function useNames({ organizationId, isOperator }: Of): ReadonlyMap<string, string> {
  const corral = useCorral()
  const people = useQuery({
    queryKey: ['names', isOperator ? everything : organizationId],
    async queryFn() {
      if (isOperator) return (await corral.call.listUsers.query({})).users
      return organizationId === undefined ? [] : (await corral.call.listMembers.query({ organizationId })).members
    },
  })
  return new Map(people.data?.map(({ userId, name }) => [userId, name]))
}

function Facts({ entry, names }: { entry: AuditEntry; names: ReadonlyMap<string, string> }) {
  const { userId, botId, credential, address, subject, details } = entry
  const who = names.get(userId) ?? userId
  const known = Object.entries(details).filter(([, value]) => value !== null && value !== '')
  return (
    <>
      <span>by {botId ? `${who}, bot ${botId}` : who}</span>
      {subject !== userId && <span>on {names.get(subject) ?? <code>{subject}</code>}</span>}
      {known.map(([name, value]) => (
        <span key={name}>
          {name} <code>{textOf(value, names)}</code>
        </span>
      ))}
      {credential && <span>with {credential.split(':')[0]}</span>}
      {address && <span>from {address}</span>}
    </>
  )
}

function textOf(value: unknown, names: ReadonlyMap<string, string>): string {
  if (typeof value === 'string') return names.get(value) ?? value
  return Array.isArray(value) ? value.map((one) => textOf(one, names)).join(', ') : JSON.stringify(value)
}
