/** In the place of what could not be shown: what happened, and a way to try again. */
import { CorralCallError } from '@corral/client'
import { Button } from './Button.tsx'
import styles from './State.module.css'

export function ErrorState({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div className={styles.state} role="alert">
      <h2 className={styles.title}>{titleOf(error)}</h2>
      <p className={styles.text}>{error.message}</p>
      {retry && (
        <div className={styles.action}>
          <Button onClick={retry}>Try again</Button>
        </div>
      )}
    </div>
  )
}

function titleOf(error: Error): string {
  if (!(error instanceof CorralCallError)) return 'This could not be shown'
  if (error.reason === 'unreachable') return 'The server does not answer'
  return error.httpStatus === 404 ? 'This is not there' : 'The server refused this'
}
