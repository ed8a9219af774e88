/** The conversation of a sub-agent inside the one that began it. It is read when it is opened. */
import { type ComponentType, useEffect, useMemo, useState } from 'react'
import { Button } from '../../ui/Button.tsx'
import { Spinner } from '../../ui/Spinner.tsx'
import { useConversation, useConversationState } from '../conversationContext.tsx'
import { Markdown } from '../markdown/Markdown.tsx'
import type { MessagePartsProps } from './MessageParts.tsx'
import styles from './SubAgent.module.css'
import type { ToolBody } from './tool.ts'

/** `Parts`: what shows a message's parts; they show sub-agents in their turn. */
type Props = {
  body: Extract<ToolBody, { kind: 'agent' }>
  Parts: ComponentType<MessagePartsProps>
  isLive: boolean
}

export function SubAgent({ body: { agentSessionId, prompt, answer }, Parts, isLive }: Props) {
  return (
    <div className={styles.agent}>
      {prompt && <p className={styles.prompt}>{prompt}</p>}
      {agentSessionId === null ? (
        answer && <Markdown text={answer} isWhole />
      ) : (
        <Branch agentSessionId={agentSessionId} Parts={Parts} isLive={isLive} />
      )}
    </div>
  )
}

function Branch({ agentSessionId, Parts, isLive }: Omit<Props, 'body'> & { agentSessionId: string }) {
  const conversation = useConversation()
  const state = useConversationState()
  const [trouble, setTrouble] = useState<Error | null>(null)
  const picture = state.phase === 'open' ? state.picture : null
  const reach = picture?.reach.get(agentSessionId)
  const messages = useMemo(
    () =>
      [...(picture?.transcript.messages.values() ?? [])]
        .filter(({ info }) => info.sessionID === agentSessionId && info.role === 'assistant')
        .toSorted((a, b) => a.position - b.position),
    [picture?.transcript.messages, agentSessionId],
  )
  const read = useMemo(
    () => () => {
      setTrouble(null)
      conversation.read(agentSessionId).catch((error: unknown) => setTrouble(error instanceof Error ? error : null))
    },
    [conversation, agentSessionId],
  )
  const isMissing = picture !== null && reach === undefined
  useEffect(() => {
    if (isMissing) read()
  }, [isMissing, read])

  if (trouble) {
    return (
      <p className={styles.note}>
        {trouble.message}{' '}
        <Button size="small" onClick={read}>
          Try again
        </Button>
      </p>
    )
  }
  if (!picture || !reach) return <Spinner label="Loading what the sub-agent does" />
  return (
    <>
      {reach.before !== null && (
        <Button size="small" onClick={read}>
          Show earlier
        </Button>
      )}
      {messages.map(({ info }) => (
        <Parts key={info.id} parts={picture.transcript.parts.get(info.id)} isLive={isLive} />
      ))}
      {messages.length === 0 && <p className={styles.note}>It has not said anything yet.</p>}
    </>
  )
}
