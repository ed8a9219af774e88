import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { demoPrompt, demoRepository, demoStory, tellsOfFailingTest } from './demo.ts'
import { splitTurns } from './scenario.ts'

const runTests = (folder: string): Promise<{ passed: boolean; output: string }> => {
  const environment = { ...process.env, NODE_TEST_CONTEXT: undefined }
  return new Promise((resolve) => {
    execFile(process.execPath, ['--test'], { cwd: folder, env: environment, timeout: 30_000 }, (error, output) =>
      resolve({ passed: error === null, output }),
    )
  })
}

test('the story finds a failing test in the demo repository, mends it, and sees it pass', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-demo-'))
  try {
    for (const [path, content] of Object.entries(demoRepository)) await writeFile(join(folder, path), content)
    const results: string[] = []
    const outcomes: boolean[] = []
    for (;;) {
      const call = splitTurns(demoStory(results))[results.length]?.steps.find((step) => step.verb === 'call')?.call
      if (!call) break
      if (call.kind === 'bash') {
        const { passed, output } = await runTests(folder)
        outcomes.push(passed)
        results.push(output)
      } else if (call.kind === 'read') results.push(await readFile(join(folder, call.path), 'utf8'))
      else if (call.kind === 'edit') {
        const file = join(folder, call.path)
        const before = await readFile(file, 'utf8')
        expect(before.split(call.before)).toHaveLength(2)
        await writeFile(file, before.replace(call.before, call.after))
        results.push('Edit applied.')
      } else throw new Error(`the story has no part for ${call.kind}`)
    }
    expect(outcomes).toEqual([false, true])
    expect(demoStory(results).at(-1)).toMatchObject({ text: expect.stringContaining('both tests pass') })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('where the last run failed, the story does not claim success', () => {
  const results = ['# fail 1', 'return a - b', 'Edit applied.', '# pass 0\n# fail 10']
  expect(demoStory(results).at(-1)).toMatchObject({ text: expect.stringContaining('still do not pass') })
})

test('all of the story is told within six seconds', () => {
  const words = demoStory(['# fail 0']).flatMap((step) =>
    step.verb === 'say' ? step.text.split(/\s+/).map(() => step.paceMs) : [],
  )
  expect(words.reduce((sum, paceMs) => sum + paceMs, 0)).toBeLessThan(6_000)
})

test.each([
  [demoPrompt, true],
  ['fix the failing tests', true],
  ['hello', false],
  ['add a test for sum', false],
])('%s', (prompt, told) => {
  expect(tellsOfFailingTest(prompt)).toBe(told)
})
