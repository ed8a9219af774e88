/**
 * A Vitest reporter that counts for `scripts/test.ts`, and names what failed and what was
 * skipped, each with its reason.
 */
import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase } from 'vitest/node'

export type Tally = { passed: number; failed: string[]; skipped: string[] }

export function tallyReporter(file: string): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const tests = modules.flatMap((module) => [...module.children.allTests()])
      const inState = (state: 'passed' | 'failed') => tests.filter((test) => test.result().state === state)
      const unloadable = modules.filter((module) => module.state() === 'failed' && module.errors().length > 0)
      const tally: Tally = {
        passed: inState('passed').length,
        failed: [
          ...inState('failed').map(failure),
          ...unloadable.map((module) => `${module.relativeModuleId} could not be run`),
          ...unhandledErrors.map((error) => `outside any test: ${error.message}`),
        ],
        skipped: tests.flatMap(skipReason),
      }
      writeFileSync(file, JSON.stringify(tally))
    },
  }
}

function failure(test: TestCase): string {
  const [error] = test.result().errors ?? []
  return `${test.module.relativeModuleId} > ${test.fullName}: ${error?.message ?? 'for no reason that it gave'}`
}

function skipReason(test: TestCase): string[] {
  const result = test.result()
  if (result.state !== 'skipped') return []
  return [result.note === undefined ? test.fullName : `${test.fullName}: ${result.note}`]
}
