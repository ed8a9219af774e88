/** A Vitest reporter that counts for `scripts/test.ts`, and names what was skipped with the reason that its test gave. */
import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase } from 'vitest/node'

export type Tally = { passed: number; failed: number; skipped: string[] }

export function tallyReporter(file: string): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const tests = modules.flatMap((module) => [...module.children.allTests()])
      const count = (state: 'passed' | 'failed') => tests.filter((test) => test.result().state === state).length
      const unloadable = modules.filter((module) => module.state() === 'failed' && module.errors().length > 0).length
      const tally: Tally = {
        passed: count('passed'),
        failed: count('failed') + unloadable + unhandledErrors.length,
        skipped: tests.flatMap(skipReason),
      }
      writeFileSync(file, JSON.stringify(tally))
    },
  }
}

function skipReason(test: TestCase): string[] {
  const result = test.result()
  if (result.state !== 'skipped') return []
  return [result.note === undefined ? test.fullName : `${test.fullName}: ${result.note}`]
}
