/** Repositories that sessions work on, and git as anybody runs it on what came out. */
import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const gitMs = 20_000

export async function git(repository: string, ...args: string[]): Promise<string> {
  const person = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.com']
  const { stdout } = await execute('git', ['-C', repository, ...person, ...args], { timeout: gitMs })
  return stdout.trimEnd()
}

/** A bare repository with these files in one commit on `main`. */
export async function makeRepository(path: string, files: Record<string, string>): Promise<string> {
  const work = `${path}.work`
  await mkdir(work, { recursive: true })
  await git(work, 'init', '--quiet', '--initial-branch=main')
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(work, name)), { recursive: true })
    await writeFile(join(work, name), content)
  }
  await git(work, 'add', '--all')
  await git(work, 'commit', '--quiet', '--message=first')
  await git(work, 'clone', '--quiet', '--bare', '.', path)
  await rm(work, { recursive: true })
  return path
}

/** Every reference with what it points at. */
export const referencesOf = (repository: string): Promise<string> =>
  git(repository, 'for-each-ref', '--format=%(refname) %(objectname)')

/** The executions that the commits of a session's branch name, oldest first. */
export async function executionsOn(repository: string, session: string): Promise<string[]> {
  const log = await git(repository, 'log', '--reverse', '--format=%b', `main..session/${session}`)
  return [...log.matchAll(/^Corral-Execution: (.*)$/gm)].map(([, id]) => id ?? '')
}
