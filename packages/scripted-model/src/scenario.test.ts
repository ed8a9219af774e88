import { describe, expect, test } from 'vitest'
import { findScenario, splitTurns } from './scenario.ts'

const stepsOf = (prompt: string) => {
  const scenario = findScenario(prompt)
  if (scenario.kind !== 'steps') throw new Error(`no steps: ${JSON.stringify(scenario)}`)
  return scenario.steps
}

describe('a prompt', () => {
  test('without "play:" at the start of a line has no scenario', () => {
    for (const prompt of ['', 'hello', 'say "hello"', 'Read the file | run bash "ls"', 'Let it play: say "a"'])
      expect(findScenario(prompt)).toEqual({ kind: 'none' })
  })

  test('plays its steps, parted by | or line breaks', () => {
    const steps = [
      { verb: 'say', text: 'a', paceMs: 50 },
      { verb: 'gate', name: 'door' },
      { verb: 'call', call: { kind: 'bash', command: 'npm test' }, also: false },
    ]
    expect(stepsOf('play: say "a" pace 50ms | gate door | bash "npm test"')).toEqual(steps)
    expect(stepsOf('play:\n  say a pace 50ms\n  gate door\n  bash "npm test"')).toEqual(steps)
  })

  test('may speak before its scenario, and an agent may add to it behind a blank line or a tag', () => {
    for (const addition of ['', '\n\nRemember the rules.', '\n<note>mode: code</note>', '\n  \nsay "more"'])
      expect(stepsOf(`Please do this.\nplay: say "a"${addition}`)).toEqual([{ verb: 'say', text: 'a', paceMs: 0 }])
  })
})

describe('a text', () => {
  test('has the escapes of JSON, and may span lines', () => {
    expect(stepsOf('play: write a.md "one\n\ntwo\\n\\"three\\" | \\u00e9"')).toMatchObject([
      { call: { path: 'a.md', content: 'one\n\ntwo\n"three" | é' } },
    ])
  })
})

describe('every verb', () => {
  test.each([
    ['think "hm" pace 1s', { verb: 'think', text: 'hm', paceMs: 1000 }],
    ['flood 2MB', { verb: 'flood', bytes: 2 * 1024 * 1024 }],
    ['repeat 3 pace 5ms', { verb: 'repeat', characters: 3, paceMs: 5 }],
    ['hang', { verb: 'hang' }],
    ['disconnect', { verb: 'disconnect' }],
    [
      'fail 429',
      { verb: 'fail', status: 429, times: Number.POSITIVE_INFINITY, message: 'The scripted model fails with 429.' },
    ],
    ['fail 503 times 2 "busy"', { verb: 'fail', status: 503, times: 2, message: 'busy' }],
    ['read sum.js', { verb: 'call', call: { kind: 'read', path: 'sum.js' }, also: false }],
    ['edit a.js "x" "y"', { verb: 'call', call: { kind: 'edit', path: 'a.js', before: 'x', after: 'y' }, also: false }],
    [
      'ask "Which?" "A" "B"',
      { verb: 'call', call: { kind: 'ask', question: 'Which?', options: ['A', 'B'] }, also: false },
    ],
    [
      'tool webfetch {"url": "http://x/{y}", "deep": {"a": "}"}}',
      {
        verb: 'call',
        call: { kind: 'tool', name: 'webfetch', arguments: { url: 'http://x/{y}', deep: { a: '}' } } },
        also: false,
      },
    ],
    [
      'task "Look" { bash "echo }" | task "Deeper" { say "b" } }',
      {
        verb: 'call',
        call: { kind: 'task', description: 'Look', prompt: 'play: bash "echo }" | task "Deeper" { say "b" }' },
        also: false,
      },
    ],
  ])('%s', (source, step) => {
    expect(stepsOf(`play: ${source}`)).toEqual([step])
  })
})

describe('what cannot be read is refused with a sentence', () => {
  test.each([
    ['', 'there is no step behind "play:"'],
    ['sya "a"', 'there is no verb "sya"; the verbs are say, think'],
    ['say', 'the step "say" needs the text to say'],
    ['say one two', '"two" is too much for "say"; quote texts'],
    ['say "a', 'a quote or brace has no partner'],
    ['say "\\q"', 'has an escape that JSON does not know'],
    ['say "a" pace fast', '"fast" is no number with one of the units ms, s'],
    ['fail 200', 'a failure has a status from 400 to 599'],
    ['also say "a"', '"also" stands before a tool call'],
    ['tool x {1}', 'are no JSON'],
    ['task "a" { say "b"', 'is never closed'],
    ['task "a" { sya "b" }', 'there is no verb "sya"'],
    ['say "a" | think "late"', '"think" must come before'],
  ])('play: %s', (source, sentence) => {
    expect(findScenario(`play: ${source}`)).toEqual({ kind: 'invalid', error: expect.stringContaining(sentence) })
  })
})

test('a turn ends with its tool call, and "also" puts a second call into it', () => {
  const turns = splitTurns(
    stepsOf('play: say "a" | bash "x" | also bash "y" | gate g | bash "z" | think "b" | say "c"'),
  )
  expect(turns.map(({ firstCall, steps }) => [firstCall, steps.map(({ verb }) => verb).join(' ')])).toEqual([
    [0, 'say call call'],
    [2, 'gate call'],
    [3, 'think say'],
  ])
})
