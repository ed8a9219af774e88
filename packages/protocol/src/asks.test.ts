import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { answersProblem, permissionAction, type Question, sameAnswer } from './asks.ts'
import { type PermissionAction, type Permissions, permissionsSchema } from './cloud-agent/policies.ts'

const label = fc.constantFrom('Red', 'Green', 'Blue', 'Both of them')
const question: fc.Arbitrary<Question> = fc.record(
  {
    question: fc.string(),
    options: fc.uniqueArray(label, { maxLength: 4 }).map((labels) => labels.map((one) => ({ label: one }))),
    multiple: fc.boolean(),
    custom: fc.boolean(),
  },
  { requiredKeys: ['question', 'options'] },
)
/** Answers of which some fit and some do not. */
const chosen = fc.array(fc.oneof(label, fc.constantFrom('Purple', '', '  ')), { maxLength: 3 })

describe('answers', () => {
  test('fit exactly when there is one array per question and each keeps to what its question takes', () => {
    const asked = fc.array(fc.tuple(question, chosen), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(asked, (pairs) => {
        const fits = pairs.every(
          ([{ options, multiple, custom }, texts]) =>
            texts.every((text) => text.trim() !== '') &&
            new Set(texts).size === texts.length &&
            (texts.length < 2 || multiple === true) &&
            (custom !== false || texts.every((text) => options.some((option) => option.label === text))),
        )
        const questions = pairs.map(([one]) => one)
        const answers = pairs.map(([, texts]) => texts)
        expect(answersProblem(questions, answers) === null).toBe(fits)
        expect(answersProblem(questions, [...answers, ['Red']])?.path).toBe('answers')
        expect(answersProblem(questions, answers.slice(1))?.path).toBe('answers')
      }),
    )
  })

  it('that do not fit name the question', () => {
    const two: Question[] = [
      { question: 'Which?', options: [{ label: 'A' }], custom: false },
      { question: 'Why?', options: [] },
    ]
    expect(answersProblem(two, [['A'], ['because']])).toBeNull()
    expect(answersProblem(two, [[], []]), 'no answer to one of them').toBeNull()
    expect(answersProblem(two, [['B'], []])).toEqual({ path: 'answers.0', message: 'must be of the options: A' })
    expect(answersProblem(two, [['A'], ['a', 'b']])).toEqual({ path: 'answers.1', message: 'takes one answer' })
  })

  it('are the same when they say the same', () => {
    expect(sameAnswer({ kind: 'answers', answers: [['A']] }, { kind: 'answers', answers: [['A']] })).toBe(true)
    expect(sameAnswer({ kind: 'answers', answers: [['A']] }, { kind: 'answers', answers: [['B']] })).toBe(false)
    expect(sameAnswer({ kind: 'rejected' }, { kind: 'answers', answers: [[]] })).toBe(false)
    const once = { kind: 'reply', reply: 'once' } as const
    expect(sameAnswer(once, { ...once, message: '' })).toBe(true)
    expect(sameAnswer(once, { ...once, message: 'but gently' })).toBe(false)
  })
})

describe('a policy', () => {
  const policy = (rules: Permissions['rules'], fallback: PermissionAction = 'auto'): Permissions => ({
    default: fallback,
    rules,
  })

  it('is decided by the last rule that matches, else by its default', () => {
    const careful = policy([
      { tool: 'bash', action: 'ask' },
      { tool: 'bash', pattern: 'git *', action: 'auto' },
      { tool: 'bash', pattern: 'git push *', action: 'deny' },
    ])
    const on = (pattern: string) => permissionAction(careful, { tool: 'bash', pattern })
    expect(['rm -rf x', 'git status', 'git', 'git push origin', 'git push'].map(on)).toEqual([
      'ask',
      'auto',
      'auto',
      'deny',
      'deny',
    ])
    expect(permissionAction(careful, { tool: 'edit', pattern: 'a.ts' })).toBe('auto')
    expect(
      permissionAction(
        policy([
          { tool: 'bash', action: 'deny' },
          { tool: '*', action: 'ask' },
        ]),
        { tool: 'bash', pattern: 'ls' },
      ),
    ).toBe('ask')
  })

  it('takes a pattern as it is written, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), (pattern, text) => {
        const literal = pattern.replace(/[*?]/g, 'x')
        const action = permissionAction(policy([{ tool: 'bash', pattern: literal, action: 'deny' }]), {
          tool: 'bash',
          pattern: text,
        })
        expect(action === 'deny').toBe(text === literal)
      }),
    )
  })

  it.each([
    ['a tool that is no name', { rules: [{ tool: 'bash *', action: 'ask' }] }],
    ['a pattern for all tools', { rules: [{ tool: '*', pattern: 'x', action: 'ask' }] }],
    ['a pattern where the agents take none', { rules: [{ tool: 'webfetch', pattern: 'https://*', action: 'ask' }] }],
    ['a pattern that JSON would put first', { rules: [{ tool: 'bash', pattern: '42', action: 'ask' }] }],
    ['an unknown action', { rules: [{ tool: 'bash', action: 'allow' }] }],
    ['a deadline under a minute', { deadline_seconds: 59 }],
    ['a deadline over a day', { deadline_seconds: 86_401 }],
    ['an unknown member', { deadline: 60 }],
  ])('does not take %s', (_, input) => {
    expect(permissionsSchema.safeParse(input).success).toBe(false)
  })
})
