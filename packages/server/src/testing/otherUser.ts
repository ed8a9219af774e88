/** For tests, run by root, of what another user of the machine can do. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { asHostUser, hostBindRoot } from '../host/hostUser.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../../../..', import.meta.url))

/** Where the server's sources are for `runAsOtherUser`, wherever the repository lies. */
export const sourcesForOtherUser = `${hostBindRoot}/repository/packages/server/src`

/** Runs the lines of a module as that user and returns what it printed. Folders are what that user sees of the machine. */
export async function runAsOtherUser(uid: number, module: string): Promise<string> {
  const seen = `${hostBindRoot}/repository`
  const node = `${hostBindRoot}/node`
  const binds = [
    { source: repository, target: seen },
    { source: process.execPath, target: node },
  ]
  const [file = '', ...args] = asHostUser({ uid, gid: uid, binds }, [node, '--input-type=module', '--eval', module])
  return (await run(file, args, { timeout: 20_000 })).stdout.trim()
}
