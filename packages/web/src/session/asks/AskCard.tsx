/** What an agent asks, where it asks it: to be answered while it is open, and with its answer from then on. */
import type { ConversationAsk } from '@corral/client'
import { Check, CircleHelp, Hourglass, ShieldQuestion, X } from 'lucide-react'
import { Card } from '../parts/Card.tsx'
import styles from './AskCard.module.css'
import { PermissionForm } from './PermissionForm.tsx'
import { QuestionForm } from './QuestionForm.tsx'

type Of<Kind extends ConversationAsk['kind']> = Extract<ConversationAsk, { kind: Kind }>

export function AskCard({ ask }: { ask: ConversationAsk }) {
  if (ask.state !== 'open') return <Closed ask={ask} />
  return (
    <section
      className={styles.ask}
      aria-label={ask.kind === 'question' ? 'The agent asks' : 'The agent needs permission'}
    >
      {ask.kind === 'question' ? <QuestionForm ask={ask} /> : <PermissionForm ask={ask} />}
    </section>
  )
}

function Closed({ ask }: { ask: ConversationAsk }) {
  const about = ask.kind === 'question' ? questionText(ask) : permissionText(ask)
  if (ask.state === 'expired')
    return <Card id={ask.id} icon={<Hourglass size={15} />} verb="Not answered in time" about={about} />
  if (ask.state === 'withdrawn') return <Card id={ask.id} icon={<X size={15} />} verb="No longer asked" about={about} />
  const { answer } = ask
  if (answer?.kind === 'answers') {
    return (
      <Card
        id={ask.id}
        icon={<CircleHelp size={15} />}
        verb="Answered"
        about={`${about} — ${answer.answers.map((each) => each.join(', ')).join('; ')}`}
      />
    )
  }
  const isRefused = answer?.kind === 'rejected' || (answer?.kind === 'reply' && answer.reply === 'reject')
  const verb = isRefused
    ? ask.kind === 'question'
      ? 'Left unanswered'
      : 'Refused'
    : answer?.kind === 'reply' && answer.reply === 'always'
      ? 'Always allowed'
      : 'Allowed once'
  return (
    <Card
      id={ask.id}
      icon={isRefused ? <X size={15} /> : ask.kind === 'question' ? <Check size={15} /> : <ShieldQuestion size={15} />}
      verb={verb}
      about={about}
    />
  )
}

const questionText = ({ request }: Of<'question'>) => request.questions.map(({ question }) => question).join(' ')
const permissionText = ({ request }: Of<'permission'>) => `${request.permission}: ${request.patterns.join(', ')}`
