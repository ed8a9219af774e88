/** What an agent has planned, and how far it is. */
import { Check, Circle, CircleDot, X } from 'lucide-react'
import { inPlace } from '../../ui/inPlace.ts'
import styles from './TodoList.module.css'
import type { Todo } from './tool.ts'

const marks = {
  completed: { Icon: Check, word: 'Done' },
  in_progress: { Icon: CircleDot, word: 'Under way' },
  cancelled: { Icon: X, word: 'Dropped' },
  pending: { Icon: Circle, word: 'To do' },
} as const
const isKnown = (status: string): status is keyof typeof marks => Object.hasOwn(marks, status)

export function TodoList({ todos }: { todos: readonly Todo[] }) {
  return (
    <ul className={styles.todos}>
      {inPlace(todos).map(({ place, item: { content, status } }) => {
        const { Icon, word } = marks[isKnown(status) ? status : 'pending']
        return (
          <li key={place} data-status={status}>
            <Icon size={15} role="img" aria-label={word} />
            <span>{content}</span>
          </li>
        )
      })}
    </ul>
  )
}
