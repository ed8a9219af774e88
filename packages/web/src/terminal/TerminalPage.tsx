/** The terminals of one session in a page of their own. */
import { sessionIdSchema } from '@corral/protocol'
import { Link, useSearchParams } from 'wouter'
import { NotFound } from '../app/NotFound.tsx'
import { sessionAddress } from '../app/paths.ts'
import { useTitle } from '../app/useTitle.ts'
import styles from './Terminal.module.css'
import { TerminalPanel } from './TerminalPanel.tsx'

export function TerminalPage() {
  useTitle('Terminal')
  const [search] = useSearchParams()
  const id = sessionIdSchema.safeParse(search.get('sessionId'))
  if (!id.success) return <NotFound />
  return (
    <div className={styles.alone}>
      <div className={styles.head}>
        <h1>Terminal</h1>
        <Link href={sessionAddress(id.data)}>To the session</Link>
      </div>
      <TerminalPanel sessionId={id.data} />
    </div>
  )
}
