/** Real git repositories for tests, and the commands to look at them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const environment = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Somebody',
  GIT_AUTHOR_EMAIL: 'somebody@example.com',
  GIT_COMMITTER_NAME: 'Somebody',
  GIT_COMMITTER_EMAIL: 'somebody@example.com',
}

export const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', args, { cwd, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()

/** A bare repository with one commit on `main`, unless it is to be empty. */
export function createRepository(path: string, files: Record<string, string> = { 'readme.md': 'Hello\n' }): string {
  mkdirSync(path, { recursive: true })
  git(path, 'init', '--quiet', '--bare', '--initial-branch=main')
  if (Object.keys(files).length > 0) commitTo(path, 'main', files)
  return path
}

/** Adds a commit to a branch of a bare repository; a branch that is not there begins at `main`. */
export function commitTo(path: string, branch: string, files: Record<string, string>): string {
  const scratch = `${path}.scratch-${Math.random().toString(36).slice(2)}`
  git(dirname(path), 'clone', '--quiet', path, scratch)
  const known = git(scratch, 'branch', '--remotes', '--list', `origin/${branch}`) !== ''
  git(scratch, ...(known ? ['checkout', '--quiet', branch] : ['checkout', '--quiet', '-B', branch]))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(scratch, name)), { recursive: true })
    writeFileSync(join(scratch, name), content)
  }
  git(scratch, 'add', '--all')
  git(scratch, 'commit', '--quiet', '--message', `Change ${branch}`)
  git(scratch, 'push', '--quiet', 'origin', branch)
  return git(scratch, 'rev-parse', 'HEAD')
}
