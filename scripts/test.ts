/**
 * `npm test`: every check of the house, one after the other, all of them even when one fails. The last line counts:
 * `N passed, N failed, N skipped`. A part that this machine cannot run is skipped with its reason, never passed.
 * With names of parts as arguments it runs only those: `node scripts/test.ts lint user`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostUserIdsUsable } from '../packages/server/src/host/hostUser.ts'
import { asOrdinaryUser } from './test/ordinaryUser.ts'
import type { Tally } from './test/tally.ts'

const repository = join(import.meta.dirname, '..')

const vitest = ['node_modules/vitest/vitest.mjs', 'run']

/** What behaves differently for root: sandboxes, PostgreSQL, the places where sockets and data lie. */
const testsForOrdinaryUser = [
  'packages/server/src/sandboxes',
  'packages/server/src/database/embedded',
  'packages/server/src/host',
]

const parts: Record<string, () => Tally> = {
  types: () => runNpm('typecheck'),
  lint: () => runNpm('lint'),
  tests: () => runTests(['unit', 'server', 'e2e']),
  user: runTestsAsOrdinaryUser,
  long: () => runTests(['long']),
  kills: () => runTests(['kills']),
}
/** What takes longest has commands of its own. */
const usual = ['types', 'lint', 'tests', 'user']

const given = process.argv.slice(2)
const asked = given.length > 0 ? given : usual
const unknown = asked.filter((name) => !Object.hasOwn(parts, name))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. Parts: ${Object.keys(parts).join(', ')}.`)
  process.exit(1)
}

const total: Tally = { passed: 0, failed: [], skipped: [] }
for (const [name, run] of Object.entries(parts)) {
  if (!asked.includes(name)) continue
  console.log(`\n── ${name}`)
  const { passed, failed, skipped } = run()
  total.passed += passed
  total.failed.push(...failed.map((test) => `${name}: ${test}`))
  total.skipped.push(...skipped.map((test) => `${name}: ${test}`))
}

list('Skipped on this machine:', total.skipped)
list('Failed:', total.failed)
console.log(`\n${total.passed} passed, ${total.failed.length} failed, ${total.skipped.length} skipped`)
process.exitCode = total.failed.length > 0 ? 1 : 0

function list(title: string, lines: string[]): void {
  if (lines.length > 0) console.log(`\n${title}\n${lines.map((line) => `  ${line}`).join('\n')}`)
}

function runNpm(script: string): Tally {
  const { status } = spawnSync('npm', ['run', '--silent', script], { cwd: repository, stdio: 'inherit' })
  return status === 0
    ? { passed: 1, failed: [], skipped: [] }
    : { passed: 0, failed: [`npm run ${script}`], skipped: [] }
}

function runTests(projects: string[]): Tally {
  const home = mkdtempSync(join(tmpdir(), 'corral-test-run-'))
  const only = projects.map((project) => `--project=${project}`)
  return runVitest({ command: [process.execPath, ...vitest, ...only], env: process.env, home })
}

function runTestsAsOrdinaryUser(): Tally {
  if (!hostUserIdsUsable()) {
    const reason = 'the tests of sandboxes once more as an ordinary user: that takes root, and this run is one already'
    return { passed: 0, failed: [], skipped: [reason] }
  }
  // This user may not write to the repository, where Vitest would put a bundle of its configuration.
  const command = ['node', ...vitest, '--configLoader=native', ...testsForOrdinaryUser]
  return runVitest(asOrdinaryUser(repository, command))
}

/** Removes `home` at the end. */
function runVitest({ command, env, home }: { command: string[]; env: NodeJS.ProcessEnv; home: string }): Tally {
  const [program = '', ...args] = command
  const tallyFile = join(home, 'tally.json')
  const { status } = spawnSync(program, args, {
    cwd: repository,
    env: { ...env, CORRAL_TEST_TALLY: tallyFile },
    stdio: 'inherit',
  })
  const tally: Tally = existsSync(tallyFile)
    ? JSON.parse(readFileSync(tallyFile, 'utf8'))
    : { passed: 0, failed: [], skipped: [] }
  rmSync(home, { recursive: true, force: true })
  // Vitest may fail without a failed test: it crashed, or found none.
  if (status !== 0 && tally.failed.length === 0) tally.failed.push(`${command.join(' ')} ended with ${status}`)
  return tally
}
