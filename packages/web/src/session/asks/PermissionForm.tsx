/** Whether an agent may use a tool: this once, from now on, or not, with a word why. */
import type { ConversationAsk } from '@corral/client'
import { ShieldQuestion } from 'lucide-react'
import { useState } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { Button } from '../../ui/Button.tsx'
import { FormError } from '../../ui/Field.tsx'
import { Scroll } from '../../ui/Scroll.tsx'
import { useSessionId } from '../sessionContext.tsx'
import styles from './AskCard.module.css'
import { useAnswer } from './useAnswer.ts'

export function PermissionForm({ ask }: { ask: Extract<ConversationAsk, { kind: 'permission' }> }) {
  const { call } = useCorral()
  const cloudAgentSessionId = useSessionId()
  const { send, isSending, error } = useAnswer()
  const [message, setMessage] = useState<string | null>(null)
  const { permission, patterns, always = [] } = ask.request
  const answer = (reply: 'once' | 'always' | 'reject') =>
    send(() =>
      call.answerPermission.mutate({
        ...{ cloudAgentSessionId, permissionId: ask.id, reply },
        ...(reply === 'reject' && message?.trim() && { message: message.trim() }),
      }),
    )
  return (
    <div>
      <h3 className={styles.title}>
        <ShieldQuestion size={16} aria-hidden="true" /> May the agent use “{permission}”?
      </h3>
      {patterns.length > 0 && (
        <Scroll className={styles.patterns} label="What for">
          <pre>{patterns.join('\n')}</pre>
        </Scroll>
      )}
      {message !== null && (
        <input
          className={styles.own}
          aria-label="Why not, for the agent"
          placeholder="Why not, for the agent (optional)"
          maxLength={2_000}
          value={message}
          onChange={(event) => setMessage(event.target.value)}
        />
      )}
      <FormError error={error} />
      <div className={styles.actions}>
        {message === null ? (
          <>
            <Button kind="primary" busy={isSending} onClick={() => answer('once')}>
              Allow once
            </Button>
            {always.length > 0 && (
              <Button disabled={isSending} title={always.join('\n')} onClick={() => answer('always')}>
                Always allow
              </Button>
            )}
            <Button kind="quiet" disabled={isSending} onClick={() => setMessage('')}>
              Refuse …
            </Button>
          </>
        ) : (
          <>
            <Button kind="danger" busy={isSending} onClick={() => answer('reject')}>
              Refuse
            </Button>
            <Button kind="quiet" disabled={isSending} onClick={() => setMessage(null)}>
              Back
            </Button>
          </>
        )}
      </div>
      {always.length > 0 && message === null && (
        <p className={styles.always}>
          “Always” allows <code>{always.join(', ')}</code> for the rest of this session.
        </p>
      )}
    </div>
  )
}
