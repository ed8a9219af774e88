/** What the next message asks for beside its words: a mode and a model. Left as they are, the last ones go on. */
import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { useSession } from '../sessionContext.tsx'
import styles from './Composer.module.css'

/** Empty: as before. */
export type Wishes = { mode: string; model: string }
export const noWishes: Wishes = { mode: '', model: '' }

const modes = ['code', 'architect', 'ask', 'debug', 'plan', 'build'] as const

export function WishFields({ wishes, onChange }: { wishes: Wishes; onChange: (wishes: Wishes) => void }) {
  const { call } = useCorral()
  const session = useSession()
  const id = useId()
  const installation = useQuery({
    queryKey: ['installation'],
    queryFn: () => call.getInstallation.query({}),
    staleTime: 300_000,
  })
  return (
    <div className={styles.wishes}>
      <select
        aria-label="Mode"
        value={wishes.mode}
        onChange={(event) => onChange({ ...wishes, mode: event.target.value })}
      >
        <option value="">Mode as before</option>
        {modes.map((mode) => (
          <option key={mode} value={mode}>
            {mode}
          </option>
        ))}
      </select>
      <input
        aria-label="Model"
        list={id}
        maxLength={255}
        placeholder={session.model ?? 'Model as before'}
        value={wishes.model}
        onChange={(event) => onChange({ ...wishes, model: event.target.value })}
      />
      <datalist id={id}>
        {installation.data?.models.map((model) => (
          <option key={model} value={model} />
        ))}
      </datalist>
    </div>
  )
}
