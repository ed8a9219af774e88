/** For tests: the real git, as an agent runs it in a sandbox, and repositories for it. */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

export type GitRun = {
  ok: boolean /** Standard output. */
  text: string /** What the user reads besides. */
  said: string
}

/** Runs git with a home of its own; `token` is what its sandbox has for the gateway. */
export function gitWith({ home, token }: { home: string; token?: string }) {
  const config = token === undefined ? [] : ['-c', `http.extraHeader=Authorization: Bearer ${token}`]
  const person = { NAME: 'Agent', EMAIL: 'agent@example.com' }
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    ...Object.fromEntries(
      ['AUTHOR', 'COMMITTER'].flatMap((role) =>
        Object.entries(person).map(([key, value]) => [`GIT_${role}_${key}`, value]),
      ),
    ),
  }
  return (cwd: string, ...args: string[]): Promise<GitRun> =>
    new Promise((resolve) => {
      execFile('git', [...config, ...args], { cwd, env, timeout: 20_000 }, (error, text, said) =>
        resolve({ ok: error === null, text: text.trim(), said }),
      )
    })
}

export type Git = ReturnType<typeof gitWith>

/** A bare repository with one commit on `main`. */
export async function makeRepository(git: Git, path: string): Promise<void> {
  const work = `${path}.work`
  await mkdir(work, { recursive: true })
  await expectOk(git(work, 'init', '--quiet', '--initial-branch=main'))
  await expectOk(git(work, 'commit', '--quiet', '--allow-empty', '--message=first'))
  await expectOk(git(work, 'clone', '--quiet', '--bare', '.', path))
}

export async function commitFile(git: Git, work: string, name: string): Promise<void> {
  await expectOk(git(work, 'commit', '--quiet', '--allow-empty', `--message=${name}`))
}

export async function expectOk(run: Promise<GitRun>): Promise<string> {
  const { ok, text, said } = await run
  if (!ok) throw new Error(`git failed: ${said}`)
  return text
}

export const tipOf = (git: Git, repository: string, branch: string): Promise<string> =>
  expectOk(git(repository, 'for-each-ref', '--format=%(objectname)', join('refs/heads', branch)))
