/** One row of a conversation. It is rendered anew only when what it shows has changed. */
import { memo } from 'react'
import { AskCard } from './asks/AskCard.tsx'
import styles from './messages.module.css'
import { MessageError } from './parts/MessageError.tsx'
import { MessageParts } from './parts/MessageParts.tsx'
import { isOver, type Parts, type Row } from './rows.ts'
import { Preparation, TurnState } from './TurnState.tsx'
import { UserMessage } from './UserMessage.tsx'

export const RowView = memo(function RowView({ row, parts }: { row: Row; parts: Parts | undefined }) {
  switch (row.kind) {
    case 'message': {
      const { info } = row.message
      if (info.role === 'user') return <UserMessage parts={parts} />
      const isLive = row.turn !== null && !isOver(row.turn)
      return (
        <article className={styles.row} aria-label="Agent">
          <MessageParts parts={parts} isLive={isLive} withoutQuestions={row.turn !== null} />
          <MessageError info={info} turn={row.turn} />
        </article>
      )
    }
    case 'preparation':
      return (
        <div className={styles.row}>
          <Preparation turn={row.turn} />
        </div>
      )
    case 'ask':
      return (
        <div className={styles.row}>
          <AskCard ask={row.ask} />
        </div>
      )
    case 'turn':
      return (
        <div className={styles.row}>
          <TurnState turn={row.turn} />
        </div>
      )
  }
})
