// @ts-check
/**
 * The programs that Corral starts and npm does not bring. Root on Debian or Ubuntu gets the missing ones installed;
 * anybody else gets the command to do it.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { lastLinesOf, Problem } from './problem.mjs'

/**
 * @typedef {{ command: string, package: string, without: string, required: boolean }} Program
 *   `without` says what its absence means; a required one ends the set-up.
 */

/** @type {Program} */
const git = {
  command: 'git',
  package: 'git',
  without: 'Corral cannot clone, commit or push.',
  required: true,
}

/** @type {Program} */
const bubblewrap = {
  command: 'bwrap',
  package: 'bubblewrap',
  without: 'agents can only run where Docker is, and the tests of sandboxes are skipped.',
  required: false,
}

/** @type {Program} */
const docker = {
  command: 'dockerd',
  package: 'docker.io',
  without: 'the tests of Docker sandboxes are skipped.',
  required: false,
}

/** @type {Program} */
const chromium = {
  command: 'chromium',
  package: 'chromium',
  without: 'the tests of the page are skipped.',
  required: false,
}

/** @type {Record<string, Program[]>} */
const programs = { start: [git, bubblewrap], demo: [git, bubblewrap], test: [git, bubblewrap, docker, chromium] }

/** @param {string} purpose */
export function programsFor(purpose) {
  const found = programs[purpose]
  if (found) return found
  const remedy = `Say one of: ${Object.keys(programs).join(', ')}.`
  throw new Problem(`--for ${purpose} is unknown.`, 'Set-up has to know what it prepares.', remedy)
}

/** @param {Program[]} wanted */
export function installPrograms(wanted) {
  const missing = wanted.filter(({ command }) => !isInstalled(command))
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && isInstalled('apt-get')) {
    aptInstall(missing.map((program) => program.package))
    return
  }
  for (const program of missing) {
    const remedy = installCommand(program.package)
    if (program.required)
      throw new Problem(`${program.command} is not installed.`, `Without it ${program.without}`, remedy)
    console.warn(`${program.package} is not installed: ${program.without}\n  What to do: ${remedy}`)
  }
}

/** @param {string[]} packages */
function aptInstall(packages) {
  console.log(`Installing ${packages.join(' and ')} …`)
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const result = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: 10 * 60_000 })
    if (result.status !== 0) {
      const remedy = 'Mend what it complains about, or install it by hand, then try again.'
      throw new Problem(`\`apt-get ${args.join(' ')}\` failed.`, lastLinesOf(result), remedy)
    }
  }
}

const installers = {
  'apt-get': 'sudo apt-get install',
  dnf: 'sudo dnf install',
  pacman: 'sudo pacman -S',
  zypper: 'sudo zypper install',
  apk: 'sudo apk add',
}

/** @param {string} packageName */
function installCommand(packageName) {
  const known = Object.entries(installers).find(([command]) => isInstalled(command))
  return known ? `${known[1]} ${packageName}` : `Install ${packageName} with your system's package manager.`
}

/** @param {string} command */
function isInstalled(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
