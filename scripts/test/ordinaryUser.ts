/**
 * For the tests that root repeats as an ordinary user: makes the account once, and gives it a home of its own for one run.
 * The repository and the agents are bound where it may read them, since they may lie below root's 0700 home.
 */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentsFolder } from '../../packages/server/src/config.ts'
import { asHostUser, hostBindRoot } from '../../packages/server/src/host/hostUser.ts'

const accountName = 'corral-test'

export type UserRun = { command: string[]; env: NodeJS.ProcessEnv; home: string }

/** `command` runs in the repository, by the Node that runs this. The caller removes `home`. */
export function asOrdinaryUser(repository: string, command: string[]): UserRun {
  const { uid, gid } = account() ?? makeAccount()
  const home = mkdtempSync(join(tmpdir(), 'corral-test-user-'))
  chownSync(home, uid, gid)

  const seen = { repository: `${hostBindRoot}/repository`, agents: `${hostBindRoot}/agents` }
  const binds = [
    { source: repository, target: seen.repository },
    { source: agentsFolder(process.env), target: seen.agents },
  ]
  const inRepository = ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'corral-test', seen.repository, ...command]
  const env = {
    PATH: `${seen.repository}/node_modules/.bin:/usr/local/bin:/usr/bin:/bin`,
    HOME: home,
    CORRAL_AGENTS_DIR: seen.agents,
  }
  return { command: asHostUser({ uid, gid, binds }, inRepository), env, home }
}

function account(): { uid: number; gid: number } | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (name === accountName) return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

/** PostgreSQL does not run under an id without an account. */
function makeAccount(): { uid: number; gid: number } {
  const { status, stderr } = spawnSync('useradd', ['--system', '--user-group', accountName], { encoding: 'utf8' })
  const made = account()
  if (made) return made
  throw new Error(
    `The account ${accountName} for the tests could not be made (useradd ended with ${status}): ${stderr}`,
  )
}
