// @ts-check
/**
 * Set-up: brings a bare clone to where `npm run demo`, `npm start` and `npm test` can run, and does nothing when it is
 * there already. Runs on the machine's own Node (20 or later) before anything is installed, so this file and those in
 * `setup/*.mjs` use Node's own modules alone. What needs the installed packages is in `setup/*.ts`, run by Node 26.
 */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { installNpmPackages } from './setup/npmPackages.mjs'
import { Problem } from './setup/problem.mjs'
import { installPrograms, programsFor } from './setup/programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

try {
  const { values } = parseArgs({ options: { for: { type: 'string', default: 'start' } } })
  const programs = programsFor(values.for)
  requireNode20()
  installPrograms(programs)
  installNpmPackages(root)
  installTheRest()
} catch (error) {
  if (!(error instanceof Problem)) throw error
  console.error(`\nCorral could not be set up: ${error.message}\n  Why: ${error.why}\n  What to do: ${error.remedy}\n`)
  process.exitCode = 1
}

function requireNode20() {
  if (Number.parseInt(process.versions.node, 10) >= 20) return
  throw new Problem(
    'this Node is too old.',
    `It is ${process.versions.node}.`,
    'Install Node 20 or later, then try again.',
  )
}

/** On Node 26, which is there only now; it prints its own errors. */
function installTheRest() {
  const node = join(root, 'node_modules', 'node', 'bin', 'node')
  const { status, error } = spawnSync(node, [join(root, 'scripts', 'setup', 'installed.ts')], {
    stdio: 'inherit',
  })
  if (error) {
    const why = `The npm package "node" brought no program (${error.message}).`
    throw new Problem('Node 26 does not start.', why, 'Remove the folder node_modules, then try again.')
  }
  process.exitCode = status ?? 1
}
