/** What a person has chosen so far in answer to an agent's questions. Pure. */
import { answersProblem, type Question } from '@corral/protocol'

/** For each question the labels that are chosen, and words of one's own. */
export type Choices = readonly { labels: readonly string[]; own: string }[]

export const noChoices = (questions: readonly Question[]): Choices => questions.map(() => ({ labels: [], own: '' }))

/** Where one answer is taken, another one takes its place. */
export function withLabel(choices: Choices, at: number, question: Question, label: string): Choices {
  const { labels = [], own = '' } = choices[at] ?? {}
  if (question.multiple !== true) return choices.with(at, { labels: [label], own: '' })
  const next = labels.includes(label) ? labels.filter((chosen) => chosen !== label) : [...labels, label]
  return choices.with(at, { labels: next, own })
}

export function withOwn(choices: Choices, at: number, question: Question, own: string): Choices {
  const { labels = [] } = choices[at] ?? {}
  return choices.with(at, { labels: question.multiple === true || own.trim() === '' ? labels : [], own })
}

/** As the server takes them; null while a question is without an answer. */
export function answersOf(questions: readonly Question[], choices: Choices): string[][] | null {
  const answers = choices.map(({ labels, own }) => [...labels, ...(own.trim() === '' ? [] : [own.trim()])])
  if (answers.some((answer) => answer.length === 0)) return null
  return answersProblem(questions, answers) === null ? answers : null
}
