/** Messages on their way to the server, and what to do about one that did not get there. */
import { Button } from '../../ui/Button.tsx'
import styles from './Composer.module.css'
import type { Outbox } from './outbox.ts'

type Props = { outbox: Outbox; onTryAgain: () => void; onTakeBack: () => void }

export function Unsent({ outbox: { line, trouble }, onTryAgain, onTakeBack }: Props) {
  return line.map(({ clientId, prompt }, i) => {
    const isStuck = i === 0 && trouble !== null
    return (
      <div key={clientId} className={styles.unsent} role={isStuck ? 'alert' : undefined}>
        <p className={styles.unsentText}>{prompt}</p>
        {isStuck ? (
          <>
            <p className={styles.why}>{trouble}</p>
            <Button size="small" onClick={onTryAgain}>
              Send again
            </Button>
            <Button size="small" kind="quiet" onClick={onTakeBack}>
              Edit
            </Button>
          </>
        ) : (
          <span className={styles.hint}>Sending …</span>
        )}
      </div>
    )
  })
}
