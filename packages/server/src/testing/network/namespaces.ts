/**
 * For tests, by root: two network namespaces with a wire between them. In one is an internet (`internet.ts`) with the
 * addresses and names that the test wants; in the other, programs that know of nothing else.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export type TestInternet = AsyncDisposable & {
  /** Which addresses were connected to, in order, wherever they are. */
  connected: string[]
  /** A program on the inner side of the wire. */
  run(command: string, args: string[]): ChildProcess
}

const program = fileURLToPath(new URL('./internet.ts', import.meta.url))
const wire = { outside: ['10.99.0.1/24', 'fd99::1/64'], inside: ['10.99.0.2/24', 'fd99::2/64'] }
const resolver = '10.99.0.1'

/** Why there can be none here; null when there can. */
export function namespacesLack(): string | null {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
  try {
    execFileSync('unshare', ['--net', '--mount', 'ip', 'link', 'add', 'outer', 'type', 'veth', 'peer', 'name', 'inner'])
    return null
  } catch (error) {
    return `no network namespaces here: ${String(error).split('\n')[0]}`
  }
}

export async function startInternet(options: {
  /** By name: what each look-up in turn is answered with. */
  zone: Record<string, string[][]>
  /** Of the internet's machine. */
  addresses: string[]
  /** Of the inner machine, beside its own end of the wire and loopback. */
  ownAddresses: string[]
  ports: number[]
}): Promise<TestInternet> {
  const { zone, addresses, ownAddresses, ports } = options
  const folder = await mkdtemp(join(tmpdir(), 'corral-internet-'))
  const files = {
    'resolv.conf': `nameserver ${resolver}\n`,
    'nsswitch.conf': 'hosts: files dns\n',
    hosts: '127.0.0.1 localhost\n',
  }
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)))
  const children: ChildProcess[] = []
  const connected: string[] = []

  /** Answers the process id, which is also the namespaces' name. */
  async function machine(setUp: string[], names: Record<string, string[][]>): Promise<number> {
    const commands = ['ip link set lo up', ...setUp, `exec "$@"`].join(' && ')
    const started = [process.execPath, program, JSON.stringify(names), ...ports.map(String)]
    const child = spawn(
      'unshare',
      ['--net', '--mount', '--propagation', 'private', 'sh', '-c', commands, 'sh', ...started],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    children.push(child)
    const lines = createInterface({ input: child.stdout })
    const ready = once(lines, 'line')
    lines.on('line', (line) => {
      const said: unknown = JSON.parse(line)
      if (typeof said === 'object' && said !== null && 'connected' in said) connected.push(String(said.connected))
    })
    await Promise.race([ready, once(child, 'exit').then(([code]) => Promise.reject(new Error(`no internet: ${code}`)))])
    return child.pid ?? 0
  }

  const own = (list: string[]) => list.map((address) => `ip addr add ${address} dev lo`)
  const bound = Object.keys(files).map((name) => `mount --bind ${join(folder, name)} /etc/${name}`)
  const [outside, inside] = await Promise.all([
    machine(own(addresses), zone),
    machine([...own(ownAddresses), ...bound], {}),
  ])
  const enter = (pid: number, command: string) =>
    execFileSync('nsenter', ['--target', String(pid), '--net', 'sh', '-ec', command])
  execFileSync('ip', [
    'link',
    'add',
    'outer',
    'netns',
    String(outside),
    'type',
    'veth',
    'peer',
    'name',
    'inner',
    'netns',
    String(inside),
  ])
  const ends = [
    [outside, 'outer', wire.outside],
    [inside, 'inner', wire.inside],
  ] as const
  for (const [pid, device, [v4, v6]] of ends)
    enter(pid, `ip addr add ${v4} dev ${device}; ip addr add ${v6} dev ${device} nodad; ip link set ${device} up`)
  enter(inside, 'ip route add default via 10.99.0.1; ip -6 route add default via fd99::1')

  return {
    connected,
    run(command, args) {
      const entered = ['--target', String(inside), '--net', '--mount', command, ...args]
      const child = spawn('nsenter', entered, { env: {}, stdio: ['ignore', 'ignore', 'inherit'] })
      children.push(child)
      return child
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
