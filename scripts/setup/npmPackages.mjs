// @ts-check
/**
 * The npm packages, installed when they are missing or when package-lock.json is another than at the last install.
 * `npm install`, not `npm ci`: that one first deletes the packages that a running server uses, and refuses a lock that
 * lacks an optional package of some other platform. The versions are the lock's all the same, and it is never written.
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

  console.log(existsSync(modules) ? 'Bringing npm packages up to date …' : 'Installing npm packages (about a minute) …')
  rmSync(stamp, { force: true })
  npmInstall(root)
  writeFileSync(stamp, lockHash)
}

/**
 * With the machine's own Node: `npm run` puts node_modules/.bin first in PATH, and the Node there may just be replaced.
 * @param {string} root
 */
function npmInstall(root) {
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(join(root, 'node_modules')))
    .join(delimiter)
  const result = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH },
    encoding: 'utf8',
    timeout: timeoutMs,
  })
  if (result.status === 0) return
  const remedy = 'Check that this machine reaches the npm registry and has 2 GB of disk left, then try again.'
  throw new Problem('`npm install` failed.', lastLinesOf(result), remedy)
}
