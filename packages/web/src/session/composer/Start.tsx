/** In the place of the composer while a session is prepared and nobody has told it to begin. */
import { useMutation } from '@tanstack/react-query'
import { useCorral } from '../../app/corral.tsx'
import { Button } from '../../ui/Button.tsx'
import { FormError } from '../../ui/Field.tsx'
import { useSession } from '../sessionContext.tsx'
import styles from './Composer.module.css'

export function Start() {
  const { call } = useCorral()
  const { sessionId, prompt } = useSession()
  const start = useMutation({
    mutationFn: () => call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: sessionId }),
  })
  return (
    <div className={styles.composer}>
      <div className={styles.unsent}>
        <p className={styles.unsentText}>{prompt}</p>
        <span className={styles.hint}>This session is prepared, and has not begun.</span>
        <Button kind="primary" busy={start.isPending || start.isSuccess} onClick={() => start.mutate()}>
          Start
        </Button>
      </div>
      <FormError error={start.error} />
    </div>
  )
}
