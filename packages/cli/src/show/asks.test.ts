import type { Question } from '@corral/protocol'
import { describe, expect, it } from 'vitest'
import { askSummary, permissionLine, permissionText, questionLine, questionText } from './asks.ts'

const colors: Question = {
  question: 'Which color?',
  options: [{ label: 'Red', description: 'Like a fire engine' }, { label: 'Blue' }],
}

describe('a permission', () => {
  it('is shown with what it is about, and as text alone', () => {
    const text = permissionText({
      id: 'per_1',
      sessionID: 'ses_1',
      permission: 'bash',
      patterns: ['git push', 'rm \u001b[2Jx'],
      always: ['git push *'],
    })
    expect(text).toContain('use bash:\n    git push\n')
    expect(text).toContain('a for always (git push *)')
    expect(text).not.toContain('\u001b')
  })

  it.each([
    ['y', { reply: 'once' }],
    [' Yes ', { reply: 'once' }],
    ['always', { reply: 'always' }],
    ['n', { reply: 'reject' }],
    ['push to a branch', { reply: 'reject', message: 'push to a branch' }],
    ['', null],
  ])('takes the line "%s"', (line, answer) => expect(permissionLine(line)).toEqual(answer))
})

describe('a question', () => {
  it('is shown with its options', () => {
    expect(questionText(colors)).toMatch(
      /Which color\?\n +1 {2}Red {2}Like a fire engine\n +2 {2}Blue\na number, or words/,
    )
    expect(questionText({ ...colors, custom: false })).not.toContain('words of your own')
  })

  it('takes a number, a label, words of its own where it may, and nothing', () => {
    expect(questionLine(colors, '2')).toEqual({ answer: ['Blue'] })
    expect(questionLine(colors, 'Red')).toEqual({ answer: ['Red'] })
    expect(questionLine(colors, 'green, please')).toEqual({ answer: ['green, please'] })
    expect(questionLine(colors, ' ')).toEqual({ answer: [] })
    expect(questionLine({ ...colors, custom: false }, '3')).toEqual({ problem: 'Choose from the list.' })
  })

  it('takes several where it may', () => {
    const several = { ...colors, multiple: true }
    expect(questionLine(several, '1, 2,1')).toEqual({ answer: ['Red', 'Blue'] })
    expect(questionLine(several, '1, purple')).toEqual({ answer: ['1, purple'] })
    expect(questionLine({ ...several, custom: false }, '1, purple')).toEqual({ problem: 'Choose from the list.' })
  })
})

it('an ask is one line in a list', () => {
  expect(askSummary({ kind: 'question', request: { id: 'que_1', sessionID: 'ses_1', questions: [colors] } })).toBe(
    'Which color?',
  )
  expect(askSummary({ kind: 'permission', request: { permission: 'bash', patterns: ['ls', 'pwd'] } })).toBe(
    'may it use bash: ls, pwd',
  )
})
