/** What narrows the list: words, a status, a repository, an organization. */
import { Search } from 'lucide-react'
import type { RefObject } from 'react'
import styles from './SessionFilters.module.css'
import { type Choice, type Filter, type ShownStatus, statuses } from './sessionList.ts'

const statusTexts: Record<ShownStatus, string> = {
  'needs you': 'Needs you',
  running: 'Running',
  idle: 'Idle',
  failed: 'Failed',
}

export function SessionFilters(props: {
  filter: Filter
  onFilter: (filter: Filter) => void
  repositories: readonly Choice[]
  organizations: readonly Choice[]
  search: RefObject<HTMLInputElement | null>
}) {
  const { filter, onFilter, repositories, organizations, search } = props
  return (
    <search className={styles.filters}>
      <label className={styles.search}>
        <Search size={15} aria-hidden="true" />
        <input
          ref={search}
          type="search"
          aria-label="Search sessions"
          placeholder="Search by title, repository or branch"
          value={filter.search}
          onChange={({ target }) => onFilter({ ...filter, search: target.value })}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return
            event.preventDefault()
            onFilter({ ...filter, search: '' })
            event.currentTarget.blur()
          }}
        />
        <kbd className={styles.key}>/</kbd>
      </label>
      <Choose
        label="Status"
        all="Any status"
        value={filter.status}
        choices={statuses.map((value) => ({ value, text: statusTexts[value] }))}
        onChoose={(value) => onFilter({ ...filter, status: statuses.find((status) => status === value) ?? null })}
      />
      {repositories.length > 1 && (
        <Choose
          label="Repository"
          all="All repositories"
          value={filter.repository}
          choices={repositories.map(({ value, label, count }) => ({ value, text: `${label} (${count})` }))}
          onChoose={(repository) => onFilter({ ...filter, repository })}
        />
      )}
      {organizations.length > 1 && (
        <Choose
          label="Organization"
          all="All organizations"
          value={filter.organization}
          choices={organizations.map(({ value, label, count }) => ({ value, text: `${label} (${count})` }))}
          onChoose={(organization) => onFilter({ ...filter, organization })}
        />
      )}
    </search>
  )
}

function Choose(props: {
  label: string
  all: string
  value: string | null
  choices: readonly { value: string; text: string }[]
  onChoose: (value: string | null) => void
}) {
  const { label, all, value, choices, onChoose } = props
  return (
    <select
      aria-label={label}
      className={styles.choose}
      data-chosen={value !== null || undefined}
      value={value ?? ''}
      onChange={({ target }) => onChoose(target.value || null)}
    >
      <option value="">{all}</option>
      {choices.map((choice) => (
        <option key={choice.value} value={choice.value}>
          {choice.text}
        </option>
      ))}
    </select>
  )
}
