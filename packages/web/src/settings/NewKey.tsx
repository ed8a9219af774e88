/** A key that was just made: shown this once. */
import type { CreatedApiKey } from '@corral/protocol'
import { Button } from '../ui/Button.tsx'
import { CopyButton } from '../ui/CopyButton.tsx'
import styles from './NewKey.module.css'

export function NewKey({ made, onDone }: { made: CreatedApiKey; onDone: () => void }) {
  return (
    <div className={styles.made} role="status">
      <p>
        <strong>{made.name}</strong> is made. This is the only time that it is shown: Corral keeps no more than its
        hash.
      </p>
      <code className={styles.key}>{made.key}</code>
      <div className={styles.actions}>
        <CopyButton kind="primary" text={made.key} label="Copy key" />
        <Button onClick={onDone}>I have kept it</Button>
      </div>
    </div>
  )
}
