/**
 * The demo: a small repository with a failing test, and the story of its repair. Both are made from the same
 * constants, so that the edit of the story always fits the file.
 */
import type { Step } from './scenario.ts'

const bug = 'return a - b'
const fix = 'return a + b'

export const demoPrompt = 'The test fails. Find out why and fix it.'

export const demoRepository: Record<string, string> = {
  'package.json': `${JSON.stringify({ name: 'sum', version: '1.0.0', type: 'module', scripts: { test: 'node --test' } }, null, 2)}\n`,
  'README.md': '# sum\n\nAdds two numbers. `npm test` runs the test.\n',
  'sum.js': `export function sum(a, b) {\n  ${bug}\n}\n`,
  'sum.test.js': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sum } from './sum.js'

test('adds two numbers', () => {
  assert.equal(sum(2, 3), 5)
})

test('adds a negative number', () => {
  assert.equal(sum(2, -3), -1)
})
`,
}

const wordPaceMs = 35

const say = (text: string): Step => ({ verb: 'say', text, paceMs: wordPaceMs })

export const tellsOfFailingTest = (prompt: string): boolean =>
  /\btests?\b/i.test(prompt) && /\b(fails?|failing|fix)\b/i.test(prompt)

/** The end of the story depends on the last tool result: success is claimed only where the test run shows it. */
export const demoStory = (toolResults: string[]): Step[] => [
  say("I'll run the test first, to see how it fails."),
  { verb: 'call', call: { kind: 'bash', command: 'npm test' }, also: false },
  say('The sums come out wrong: `sum(2, 3)` is not 5. Let me look at the function.'),
  { verb: 'call', call: { kind: 'read', path: 'sum.js' }, also: false },
  say('There it is: `sum` subtracts `b` where it should add it. One character to change.'),
  { verb: 'call', call: { kind: 'edit', path: 'sum.js', before: bug, after: fix }, also: false },
  say('Now the test again, to be sure.'),
  { verb: 'call', call: { kind: 'bash', command: 'npm test' }, also: false },
  say(/\bfail 0\b/.test(toolResults.at(-1) ?? '') ? repaired : notRepaired),
]

const repaired =
  'Fixed: both tests pass.\n\n' +
  `- **Cause:** \`sum.js\` had \`${bug}\`, so every sum was a difference.\n` +
  `- **Change:** it is \`${fix}\` now; nothing else was touched.`

const notRepaired =
  'The tests still do not pass. I am the scripted model and know only the repair of the demo repository; ' +
  'configure a real model for any other work.'
