/**
 * Asks as a person reads and answers them: the text of each, and what a typed line means. Pure; what agents write comes
 * out as text alone.
 */
import {
  type PermissionRequest,
  type permissionReplies,
  type Question,
  type QuestionRequest,
  questionRequestSchema,
} from '@corral/protocol'
import { oneLine, safeText } from './safeText.ts'

export type PermissionLine = { reply: (typeof permissionReplies)[number]; message?: string }

export type OpenAsk =
  | { kind: 'question'; request: QuestionRequest }
  | { kind: 'permission'; request: PermissionRequest }

/** In one line, for lists and for who only watches. */
export function askSummary(ask: { kind: OpenAsk['kind']; request: Record<string, unknown> }): string {
  if (ask.kind === 'permission') {
    const { permission, patterns } = ask.request
    const on = Array.isArray(patterns) ? patterns.join(', ') : ''
    return oneLine(`may it use ${String(permission)}: ${on}`, 160)
  }
  const questions = questionRequestSchema.safeParse(ask.request).data?.questions ?? []
  return oneLine(questions.map(({ question }) => question).join(' / '), 160)
}

export function permissionText({ permission, patterns, always = [] }: PermissionRequest): string {
  const on = patterns.map((pattern) => `    ${safeText(pattern)}\n`).join('')
  const forGood = always.length > 0 ? `, a for always (${oneLine(always.join(', '), 80)})` : ''
  return `The agent asks to use ${oneLine(permission, 80)}:\n${on}y for yes${forGood}, n for no, or say what it should do instead: `
}

/** Null: nothing was said. */
export function permissionLine(line: string): PermissionLine | null {
  const said = line.trim()
  switch (said.toLowerCase()) {
    case '':
      return null
    case 'y':
    case 'yes':
    case 'once':
      return { reply: 'once' }
    case 'a':
    case 'always':
      return { reply: 'always' }
    case 'n':
    case 'no':
    case 'reject':
      return { reply: 'reject' }
    default:
      return { reply: 'reject', message: said }
  }
}

export function questionText({ question, options, multiple, custom }: Question): string {
  const choices = options.map(({ label, description }, i) => {
    const more = description && description !== label ? `  ${oneLine(description, 100)}` : ''
    return `    ${i + 1}  ${oneLine(label, 80)}${more}\n`
  })
  const number = options.length === 0 ? null : multiple === true ? 'numbers, separated by commas' : 'a number'
  const ways = [number, custom === false ? null : 'words of your own', 'nothing for no answer']
  return `The agent asks: ${safeText(question)}\n${choices.join('')}${ways.filter(Boolean).join(', or ')}: `
}

/** The labels and words that a line stands for, or what is wrong with it. */
export function questionLine(
  { options, multiple, custom }: Question,
  line: string,
): { answer: string[] } | { problem: string } {
  const said = line.trim()
  if (said === '') return { answer: [] }
  const labelOf = (word: string): string | undefined =>
    /^\d+$/.test(word) ? options[Number(word) - 1]?.label : options.find(({ label }) => label === word)?.label
  const whole = labelOf(said)
  if (whole !== undefined) return { answer: [whole] }
  if (multiple === true) {
    const chosen = said.split(',').map((word) => labelOf(word.trim()))
    const labels = chosen.filter((label) => label !== undefined)
    if (labels.length === chosen.length) return { answer: [...new Set(labels)] }
  }
  if (custom === false) return { problem: 'Choose from the list.' }
  return { answer: [said] }
}
