// @ts-check
/**
 * The npm packages, installed when they are missing or when package-lock.json is another than at the last install.
 * A fresh clone gets exactly what the lock says (`npm ci`). Later on only the difference is installed, because
 * `npm ci` would first delete the packages that a running server uses. The lock is never written.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { lastLinesOf, Problem } from './problem.mjs'

const timeoutMs = 15 * 60_000

/** @param {string} root */
export function installNpmPackages(root) {
  const modules = join(root, 'node_modules')
  const stamp = join(modules, '.corral-lock-hash')
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash) return

  const fresh = !existsSync(modules)
  console.log(fresh ? 'Installing npm packages (about a minute) …' : 'Bringing npm packages up to date …')
  rmSync(stamp, { force: true })
  npm(root, fresh ? ['ci'] : ['install', '--no-save'])
  writeFileSync(stamp, lockHash)
}

/**
 * With the machine's own Node: `npm run` puts node_modules/.bin first in PATH, and the Node there may just be replaced.
 * @param {string} root
 * @param {string[]} command
 */
function npm(root, command) {
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(join(root, 'node_modules')))
  const result = spawnSync('npm', [...command, '--loglevel=error', '--no-audit', '--no-fund'], {
    cwd: root,
    env: { ...process.env, PATH: PATH.join(delimiter) },
    encoding: 'utf8',
    timeout: timeoutMs,
  })
  if (result.status === 0) return
  const remedy = 'Check that this machine reaches the npm registry and has 2 GB of disk left, then try again.'
  throw new Problem(`\`npm ${command.join(' ')}\` failed.`, lastLinesOf(result), remedy)
}
