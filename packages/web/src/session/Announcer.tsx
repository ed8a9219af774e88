/**
 * Tells those who do not see the page how it goes: that the agent works, asks, has done. Not what it says, which would be
 * read out word by word.
 */
import type { ConversationAsk } from '@corral/client'
import type { Turn } from '@corral/transcript'
import styles from './Announcer.module.css'

type Props = { current: Turn | null; last: Turn | null; asks: ReadonlyMap<string, ConversationAsk> }

export function Announcer(props: Props) {
  return (
    <p className={styles.hidden} role="status">
      {announcement(props)}
    </p>
  )
}

function announcement({ current, last, asks }: Props): string {
  const open = [...asks.values()].find(({ state }) => state === 'open')
  if (open) return open.kind === 'question' ? 'The agent asks a question.' : 'The agent needs permission.'
  if (current) return current.state === 'running' ? 'The agent is working.' : 'The session is getting ready.'
  switch (last?.state) {
    case 'completed':
      return 'The agent has finished.'
    case 'failed':
      return 'The agent has failed.'
    case 'interrupted':
      return 'The agent was stopped.'
    default:
      return ''
  }
}
