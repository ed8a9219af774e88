// Tells whether this host can run bubblewrap sandboxes, by running one, and otherwise what is missing and what mends
// it. For `corral doctor`, for the choice of the driver, and for a start that failed.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { asHostUser, firstHostUser, hostUserIdsUsable } from '../host/hostUser.ts'
import { namespaces, systemFolders } from './bubblewrapCommand.ts'
import type { DriverCheck } from './driver.ts'
import { hostPath } from './layout.ts'
import { processorHere } from './seccomp/program.ts'

type BubblewrapFailure = Extract<DriverCheck, { works: false }>

const timeoutMs = 5_000
const programs = ['bwrap', 'bash', 'flock', 'prlimit', 'setpriv', 'unshare']

export async function checkBubblewrap(): Promise<DriverCheck> {
  if (process.platform !== 'linux') return notLinux
  if (!processorHere()) return notThisProcessor
  const runs = await Promise.all(programs.map(async (name) => ({ name, ...(await run([name, '--version'])) })))
  const missing = runs.filter(({ found }) => !found).map(({ name }) => name)
  if (missing.length > 0) return notInstalled(missing)
  const sandbox = ['bwrap', ...namespaces, ...systemFolders(), '--', 'true']
  const user = { uid: firstHostUser, gid: firstHostUser, binds: [] }
  const result = await run(hostUserIdsUsable() ? asHostUser(user, sandbox) : sandbox)
  return result.ok ? { works: true } : diagnose(result.output, await readSwitches())
}

const notLinux: BubblewrapFailure = {
  works: false,
  problem: 'not_supported',
  reason: 'bubblewrap sandboxes need Linux.',
  remedy: 'Run Corral on Linux, or in a Linux virtual machine.',
}

const notThisProcessor: BubblewrapFailure = {
  works: false,
  problem: 'not_supported',
  reason: `Corral has no system call filter for ${process.arch}, and starts no bubblewrap sandbox without one.`,
  remedy: 'Run Corral on an x64 or arm64 processor, or with CORRAL_SANDBOX_DRIVER=docker.',
}

const notInstalled = (missing: string[]): BubblewrapFailure => ({
  works: false,
  problem: 'not_installed',
  reason: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed.`,
  remedy: 'sudo apt-get install bubblewrap util-linux bash',
})

/** Settings of the kernel that forbid user namespaces; `undefined` where this kernel does not have the switch. */
export type KernelSwitches = {
  unprivilegedUserNamespaces: string | undefined
  apparmorRestriction: string | undefined
  maxUserNamespaces: string | undefined
}

/** What bubblewrap wrote, in words for people. */
export function diagnose(output: string, switches: KernelSwitches): BubblewrapFailure {
  const forbidden = (reason: string, remedy: string): BubblewrapFailure => ({
    works: false,
    problem: 'user_namespaces_forbidden',
    reason,
    remedy,
  })
  const said = output.trim().split('\n').at(-1) ?? ''
  if (/unknown option/i.test(said)) {
    return {
      works: false,
      problem: 'not_supported',
      reason: `This bubblewrap is too old (${said}); 0.8 is needed.`,
      remedy: 'sudo apt-get install bubblewrap',
    }
  }
  if (switches.unprivilegedUserNamespaces === '0') {
    return forbidden(
      'This host forbids user namespaces (kernel.unprivileged_userns_clone is 0).',
      'sudo sysctl -w kernel.unprivileged_userns_clone=1',
    )
  }
  if (switches.maxUserNamespaces === '0') {
    return forbidden(
      'This host forbids user namespaces (user.max_user_namespaces is 0).',
      'sudo sysctl -w user.max_user_namespaces=15000',
    )
  }
  if (switches.apparmorRestriction === '1') {
    return forbidden(
      'AppArmor forbids user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1).',
      'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    )
  }
  if (/mount proc/i.test(said)) {
    return {
      works: false,
      problem: 'not_supported',
      reason: `This container hides parts of /proc, so no sandbox can have its own (${said}).`,
      remedy: 'Start the container with: docker run --security-opt systempaths=unconfined',
    }
  }
  if (/(permission|permitted|namespace|uid map|setgroups|unshare|clone)/i.test(said)) {
    return forbidden(
      `User namespaces are forbidden here, probably by the container that Corral runs in (${said}).`,
      'Start the container with: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined',
    )
  }
  return {
    works: false,
    problem: 'not_supported',
    reason: `bubblewrap does not work here: ${said || 'it said nothing'}.`,
    remedy: 'bwrap --unshare-all --ro-bind / / true',
  }
}

async function readSwitches(): Promise<KernelSwitches> {
  const read = (path: string) =>
    readFile(`/proc/sys/${path}`, 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    )
  return {
    unprivilegedUserNamespaces: await read('kernel/unprivileged_userns_clone'),
    apparmorRestriction: await read('kernel/apparmor_restrict_unprivileged_userns'),
    maxUserNamespaces: await read('user/max_user_namespaces'),
  }
}

async function run([program = '', ...args]: string[]): Promise<{ found: boolean; ok: boolean; output: string }> {
  try {
    await promisify(execFile)(program, args, { cwd: '/', env: { PATH: hostPath }, timeout: timeoutMs })
    return { found: true, ok: true, output: '' }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && 'stderr' in error)) throw error
    return { found: error.code !== 'ENOENT' && error.code !== 'EACCES', ok: false, output: String(error.stderr) }
  }
}
