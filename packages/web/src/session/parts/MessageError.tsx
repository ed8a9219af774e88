/** Why an agent's message ended before it was done, when the turn itself does not say it. */
import type { MessageInfo } from '@corral/protocol'
import type { Turn } from '@corral/transcript'
import { z } from 'zod'
import styles from '../messages.module.css'

const errorSchema = z.looseObject({
  name: z.string().catch('Error'),
  data: z.looseObject({ message: z.string().optional().catch(undefined) }).catch({}),
})

export function MessageError({ info, turn }: { info: MessageInfo; turn: Turn | null }) {
  const error = info.error === undefined ? undefined : errorSchema.safeParse(info.error).data
  // That it was stopped, or has failed, stands below it.
  if (!error || turn?.state === 'interrupted' || turn?.state === 'failed') return null
  return (
    <div className={styles.failure}>
      <h3>The model’s answer broke off</h3>
      <p>{error.data.message ?? error.name}</p>
    </div>
  )
}
