/** Questions of an agent: options to choose from, words of one's own where they are taken, or no answer at all. */
import type { ConversationAsk } from '@corral/client'
import { CircleHelp } from 'lucide-react'
import { useId, useState } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { Button } from '../../ui/Button.tsx'
import { FormError } from '../../ui/Field.tsx'
import { inPlace } from '../../ui/inPlace.ts'
import { useSessionId } from '../sessionContext.tsx'
import styles from './AskCard.module.css'
import { answersOf, noChoices, withLabel, withOwn } from './choices.ts'
import { useAnswer } from './useAnswer.ts'

export function QuestionForm({ ask }: { ask: Extract<ConversationAsk, { kind: 'question' }> }) {
  const { call } = useCorral()
  const cloudAgentSessionId = useSessionId()
  const { send, isSending, error } = useAnswer()
  const id = useId()
  const { questions } = ask.request
  const [choices, setChoices] = useState(() => noChoices(questions))
  const answers = answersOf(questions, choices)
  const questionId = ask.id
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (answers) send(() => call.answerQuestion.mutate({ cloudAgentSessionId, questionId, answers }))
      }}
    >
      {inPlace(questions).map(({ place, item: question }, at) => (
        <fieldset key={place} className={styles.question}>
          <legend className={styles.title}>
            <CircleHelp size={16} aria-hidden="true" /> {question.question}
          </legend>
          {question.options.map(({ label, description }) => (
            <label key={label} className={styles.option}>
              <input
                type={question.multiple === true ? 'checkbox' : 'radio'}
                name={`${id} ${at}`}
                checked={choices[at]?.labels.includes(label) ?? false}
                onChange={() => setChoices(withLabel(choices, at, question, label))}
              />
              <span>
                {label}
                {description && <small>{description}</small>}
              </span>
            </label>
          ))}
          {question.custom !== false && (
            <input
              className={styles.own}
              aria-label="An answer of your own"
              placeholder="An answer of your own"
              maxLength={10_000}
              value={choices[at]?.own ?? ''}
              onChange={(event) => setChoices(withOwn(choices, at, question, event.target.value))}
            />
          )}
        </fieldset>
      ))}
      <FormError error={error} />
      <div className={styles.actions}>
        <Button kind="primary" type="submit" busy={isSending} disabled={answers === null}>
          Answer
        </Button>
        <Button
          kind="quiet"
          disabled={isSending}
          onClick={() => send(() => call.rejectQuestion.mutate({ cloudAgentSessionId, questionId }))}
        >
          Leave unanswered
        </Button>
      </div>
    </form>
  )
}
