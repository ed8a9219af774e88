// What a program inside a sandbox may try to get out of it, as an agent would that was turned against its owner. Every
// attempt is also made on the host, where nothing forbids it: what fails there, too, would prove nothing.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { hostPath } from '../../layout.ts'
import { conditional, forbidden, missing, type Numbers } from '../../seccomp/policy.ts'
import { processorHere } from '../../seccomp/program.ts'
import type { Guest, World } from '../world.ts'

const run = promisify(execFile)
const source = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')
const [attempts, look] = [source('./attempts.pl'), source('./look.mjs')]
const isRoot = process.geteuid?.() === 0

const processor = processorHere() ?? 'x64'
const numbered = (calls: Record<string, Numbers>) =>
  Object.entries(calls).flatMap(([name, { [processor]: number }]) => (number === null ? [] : [`${name}=${number}`]))
const refusedCalls = numbered({ ...forbidden, ...missing })
/** What a sandbox may do to itself. */
const otherCalls = numbered({
  clone: conditional.clone,
  ioctl: conditional.ioctl,
  ptrace: { x64: 101, arm64: 117 },
  process_vm_readv: { x64: 310, arm64: 270 },
  pidfd_open: { x64: 434, arm64: 434 },
})

/** By the name of the attempt: `done`, or why not. */
type Outcomes = Map<string, string>
const outcomesOf = (text: string): Outcomes =>
  new Map(text.split('\n').flatMap((line) => [/^(\S+) (\S+)$/.exec(line)?.slice(1)].filter(isPair)))
const isPair = (found: string[] | undefined): found is [string, string] => found?.length === 2

const foundSchema = z.object({
  devices: z.array(z.string()),
  kernel: z.array(z.string()),
  mounts: z.array(z.string()),
  openFiles: z.array(z.string()),
})
type Found = z.infer<typeof foundSchema>

/** What `command` may open, wherever it is that it is run. */
export async function whatMayBeOpened(execute: (...command: string[]) => Promise<string>): Promise<Found> {
  return foundSchema.parse(JSON.parse(await execute('node', '--input-type=module', '-e', look)))
}

export function escapeTests(world: () => World): void {
  let guest: Guest
  let neighbor: ChildProcess
  /** The same attempts, made inside, outside by the sandbox's host user, and outside by the user of the server. */
  let inside: Outcomes
  let outside: { sameUser: Outcomes; server: Outcomes }
  let found: Found
  let foundOutside: Found

  beforeAll(async () => {
    guest = await world().start()
    const { hostUser } = guest.spec
    const sameUser = hostUser === undefined ? {} : { uid: hostUser, gid: hostUser }
    const onHost = { cwd: '/', env: { PATH: hostPath }, maxBuffer: 2 ** 24 }
    neighbor = spawn('sleep', ['4321'], { stdio: 'ignore', ...sameUser })
    await once(neighbor, 'spawn')
    const script = ['-e', attempts, `pid=${neighbor.pid}`, ...refusedCalls, ...otherCalls]
    inside = outcomesOf(await guest.read('perl', ...script))
    outside = {
      sameUser: outcomesOf((await run('perl', script, { ...onHost, ...sameUser })).stdout),
      server: outcomesOf((await run('perl', script, onHost)).stdout),
    }
    found = await whatMayBeOpened(guest.read)
    foundOutside = await whatMayBeOpened(async (_, ...args) => (await run(process.execPath, args, onHost)).stdout)
  })
  afterAll(() => neighbor.kill())

  const names = (outcomes: Outcomes, group: string) => [...outcomes.keys()].filter((name) => name.startsWith(group))
  const refused = (outcome: string | undefined) => outcome === 'EPERM' || outcome === 'ENOSYS'

  test('no system call gets to the kernel that leads out, or where its holes were', () => {
    const calls = names(inside, 'call.')
    expect(calls).toHaveLength(refusedCalls.length)
    expect(calls.filter((name) => !refused(inside.get(name)))).toEqual([])
    expect(inside.get('clone.user')).toBe('EPERM')
  })

  test.runIf(isRoot)('while to root on the host the kernel answers each of them that it has', () => {
    const forbiddenOutside = names(outside.server, 'call.').filter((name) => outside.server.get(name) === 'EPERM')
    expect(forbiddenOutside).toEqual([])
    const served = names(outside.server, 'call.').filter((name) => outside.server.get(name) !== 'ENOSYS')
    expect(served).toEqual(
      expect.arrayContaining(['call.keyctl', 'call.mount', 'call.bpf', 'call.unshare', 'call.clone3']),
    )
    expect(outside.server.get('clone.user')).toBe('EINVAL')
  })

  test('no family of sockets leads around its network namespace, such as the one to the machine below', () => {
    const families = (outcomes: Outcomes) => names(outcomes, 'family.').map((name) => Number(name.slice(7)))
    expect(families(inside)).toEqual([1, 2, 10, 16])
    expect(inside.get('netlink.generic')).not.toBe('done')
    expect(families(outside.server)).toEqual(expect.arrayContaining([1, 2, 10, 16]))
    expect(outside.server.get('netlink.generic')).toBe('done')
    if (isRoot) expect(families(outside.server)).toContain(17)
  })

  test('nothing types into a terminal, in none of the two ways to say it', () => {
    const ways = (outcomes: Outcomes) => names(outcomes, 'terminal.').map((name) => outcomes.get(name))
    expect(ways(inside)).toEqual(['EPERM', 'EPERM'])
    const allowedOutside = readFileSync('/proc/sys/dev/tty/legacy_tiocsti', 'utf8').trim() === '1'
    if (allowedOutside) expect(ways(outside.server)).toEqual(['done', 'done'])
  })

  test('a process of the host is not there, even one of its own user', () => {
    const tried = names(inside, 'process.')
    expect(tried).toHaveLength(6)
    expect(tried.filter((name) => !/^(ESRCH|ENOENT)$/.test(inside.get(name) ?? ''))).toEqual([])
    expect(tried.map((name) => outside.sameUser.get(name))).toEqual(tried.map(() => 'done'))
  })

  test('it opens no device but the harmless ones', () => {
    const harmless = /^\/dev\/(full|null|ptmx|pts\/ptmx|random|tty|urandom|zero)$/
    expect(found.devices).toContain('/dev/null')
    expect(found.devices.filter((path) => !harmless.test(path))).toEqual([])
    if (isRoot) expect(foundOutside.devices.filter((path) => !harmless.test(path))).not.toEqual([])
  })

  test('no file of the kernel can be written', () => {
    expect(found.kernel).toEqual([])
    if (isRoot) expect(foundOutside.kernel).toContain('/proc/sys/kernel/core_pattern')
  })

  test('what it may write to is its own', () => {
    const own = /^\/(workspace|home|corral\/state|corral\/log|tmp|var\/tmp|dev\/shm|dev\/pts|dev\/mqueue)$/
    expect(found.mounts.filter((path) => !own.test(path))).toEqual([])
    expect(found.mounts).toEqual(expect.arrayContaining(['/workspace', '/home', '/tmp']))
  })

  test('its processes have nothing open but its own files and the link', () => {
    const own = /^(\/dev\/(null|urandom)|\/corral\/|\/workspace|\/proc\/|pipe:|socket:|anon_inode:)/
    const ofInit = ['log', 'lock'].map((name) => `${guest.spec.folder}/${name}`)
    const strange = found.openFiles.filter((path) => !own.test(path) && !ofInit.includes(path))
    expect(strange).toEqual([])
  })

  test.runIf(isRoot)('a program on its disk that belongs to root and says so makes nobody root', async () => {
    const program = join(guest.spec.folder, 'workspace/become-root')
    copyFileSync('/usr/bin/id', program)
    chmodSync(program, 0o4755)
    const { hostUser } = guest.spec
    expect(await guest.read('/workspace/become-root', '-u')).not.toBe('0')
    if (hostUser === undefined) return
    const elsewhere = join(world().home, 'become-root')
    copyFileSync(program, elsewhere)
    chmodSync(elsewhere, 0o4755)
    chmodSync(world().home, 0o711)
    const asUser = await run(elsewhere, ['-u'], { cwd: '/', uid: hostUser, gid: hostUser })
    chmodSync(world().home, 0o700)
    expect(asUser.stdout.trim()).toBe('0')
  })
}
