// What a sandbox can reach, and above all what it cannot, tried from inside.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hostUserIdsUsable } from '../../host/hostUser.ts'
import { hostProcessesOf, readIfAllowed } from './hostProcesses.ts'
import { type Guest, linkToken, type World } from './world.ts'

export function isolationTests(world: () => World): void {
  let guest: Guest
  let other: Guest
  const servers: Server[] = []
  let neighbor: ChildProcess

  const listen = (where: { host: string; port: number } | { path: string }) =>
    new Promise<Server>((resolve) => {
      const server = createServer((socket) => socket.end('reached'))
      servers.push(server)
      server.listen(where, () => resolve(server))
    })

  /** How a connection ends: `reached`, or the error's code. */
  type Where = { host: string; port: number } | { path: string }
  const connect = (where: Where, from: Guest = guest) => from.read('node', '-e', connectScript, JSON.stringify(where))
  const connectOnHost = async (where: Where) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', connectScript, JSON.stringify(where)])
    return stdout.trim()
  }

  beforeAll(async () => {
    ;[guest, other] = await Promise.all([world().start(), world().start()])
    neighbor = spawn('sleep', ['4321'], { stdio: 'ignore' })
  })
  afterAll(() => {
    neighbor.kill()
    for (const server of servers) server.close()
  })

  test('it answers over the door that is bound into it', async () => {
    expect(await guest.hello()).toMatchObject({ bootId: guest.spec.bootId, incarnation: 1 })
  })

  test('it has what agents and tools need', async () => {
    expect(await guest.read('node', '--version')).toBe(process.version)
    expect(await guest.read('git', 'init', '--quiet', '/tmp/repository')).toBe('')
    expect(await guest.read('sh', '-c', 'id -un; echo $HOME; echo 1 | sha256sum | wc -l')).toBe('corral\n/home\n1')
    expect(await guest.read('sh', '/opt/agents/sample@1.2.3/agent.sh')).toBe('I am the agent')
    expect(Number(await guest.read('sh', '-c', 'ls /etc/ssl/certs | wc -l'))).toBeGreaterThan(0)
  })

  test('it has terminals, whose size can be changed', async () => {
    const inside = 'stty sane rows 30 cols 100; stty -F $(tty) rows 31; stty size'
    expect(await guest.read('script', '-qefc', inside, '/dev/null')).toBe('31 100')
  })

  test('an agent that was added since is there, and none can be changed', async () => {
    world().addAgent('later@2.0.0', 'I came later')
    expect(await guest.read('sh', '/opt/agents/later@2.0.0/agent.sh')).toBe('I came later')
    expect(await guest.run('mkdir', '/opt/agents/mine@1.0.0')).not.toMatchObject({ code: 0 })
  })

  test('it writes to its workspace, home, state and temporary folders, and nowhere else', async () => {
    for (const folder of ['/workspace', '/home', '/corral/state', '/tmp', '/var/tmp', '/dev/shm']) {
      await guest.read('touch', `${folder}/written`)
    }
    for (const folder of ['/', '/usr', '/usr/local', '/etc', '/etc/ssl/certs', '/corral', '/corral/doors', '/dev']) {
      expect(await guest.run('touch', `${folder}/written`), folder).not.toMatchObject({ code: 0 })
    }
    for (const file of ['/corral/node', '/corral/supervisor.mjs', '/opt/agents/sample@1.2.3/agent.sh', '/etc/passwd']) {
      expect(await guest.run('sh', '-c', `: >> ${file}`), file).not.toMatchObject({ code: 0 })
    }
  })

  test('it has no network interface but lo', async () => {
    const interfaces = await guest.read('node', '-p', 'Object.keys(os.networkInterfaces()).join()')
    expect(interfaces).toBe('lo')
    expect(await guest.read('sh', '-c', 'tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " "')).toBe('lo')
  })

  test('it reaches no port, no database and no abstract socket of the host', async () => {
    const { home } = world()
    const server = await listen({ host: '0.0.0.0', port: 0 })
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const own = Object.values(networkInterfaces()).flatMap((found) => found?.map((entry) => entry.address) ?? [])
    for (const host of [...own, '127.0.0.1', '169.254.169.254', '10.0.0.1']) {
      expect(await connect({ host, port }), host).toMatch(/^E/)
    }
    const database = { path: join(home, '.s.PGSQL.5432') }
    const abstract = { path: '\0corral-abstract' }
    await listen(database)
    await listen(abstract)
    expect(await connect(database)).toMatch(/^E/)
    expect(await connect(abstract)).toMatch(/^E/)
    for (const where of [{ host: '127.0.0.1', port }, database, abstract]) {
      expect(await connectOnHost(where)).toBe('reached')
    }
  })

  test('it reaches no port and no socket of another sandbox', async () => {
    const places = [{ host: '127.0.0.1', port: 4321 }, { path: '/tmp/of-the-other' }, { path: '\0of-the-other' }]
    const serve = `for (const place of ${JSON.stringify(places)}) net.createServer((socket) => socket.end('reached')).listen(place)`
    await other.read('sh', '-c', 'node -e "$0" >/dev/null 2>&1 &', serve)
    for (const place of places) {
      await expect.poll(() => connect(place, other), { timeout: 10_000 }).toBe('reached')
      expect(await connect(place), JSON.stringify(place)).toMatch(/^E/)
    }
  })

  test('it sees neither the data folder nor another sandbox nor private files of the host', async () => {
    const { home, dataFolder } = world()
    writeFileSync(join(home, 'private'), 'of the host')
    await other.read('touch', '/workspace/of-the-other')
    const look = 'cat "$0" 2>/dev/null || ls -A "$0" 2>/dev/null'
    for (const path of [dataFolder, join(home, 'private'), other.spec.folder, '/etc/shadow', '/root', '/sys']) {
      expect(await guest.run('sh', '-c', look, path), path).toMatchObject({ stdout: '' })
    }
    expect(
      await guest.read(
        'sh',
        '-c',
        'find / -path /usr -prune -o -path /proc -prune -o -name of-the-other -print 2>/dev/null || true',
      ),
    ).toBe('')
    expect(await guest.read('sh', '-c', 'ls /home /run; ls -d /opt/*')).not.toContain('corral')
  })

  test('it sees no process but its own', async () => {
    const commands = await guest.read('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"')
    expect(commands).toContain('/corral/supervisor.mjs')
    expect(commands).not.toContain('4321')
    expect(await guest.run('kill', '-0', `${neighbor.pid}`)).not.toMatchObject({ code: 0 })
  })

  test('it cannot become root, gain a capability or make a namespace', async () => {
    const status = await guest.read('cat', '/proc/self/status')
    expect(status).toMatch(/^Uid:\s+([1-9]\d*)(\s+\1){3}$/m)
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'))
    }
    for (const kind of ['--user', '--mount', '--net', '--pid', '--map-root-user']) {
      expect(await guest.run('unshare', kind, 'true'), kind).not.toMatchObject({ code: 0 })
    }
    expect(await guest.run('setpriv', '--reuid=0', 'true')).not.toMatchObject({ code: 0 })
    expect(await guest.run('mount', '-t', 'tmpfs', 'none', '/tmp')).not.toMatchObject({ code: 0 })
  })

  test('its secret is in the boot file, and in no argument and no environment, inside or on the host', async () => {
    expect(await guest.read('sh', '-c', 'stat -c %a /corral/state/boot.json; cat /corral/state/boot.json')).toBe(
      `600\n${JSON.stringify({
        ...{ sandboxId: guest.spec.sandboxId, bootId: guest.spec.bootId, linkToken },
        doors: { server: '/corral/doors/server.sock', gateway: '/corral/doors/gateway.sock' },
        limits: { memoryBytes: 160 * 1024 ** 2, processes: 100, diskBytes: 32 * 1024 ** 2 },
      })}`,
    )
    expect(await guest.read('sh', '-c', 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline')).not.toContain(linkToken)
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)) {
      expect(readIfAllowed(`/proc/${pid}/cmdline`) + readIfAllowed(`/proc/${pid}/environ`)).not.toContain(linkToken)
    }
  })

  test('its environment is what it was given, and nothing of the server', async () => {
    const names = await guest.read('sh', '-c', 'tr "\\0" "\\n" < /proc/1/environ | cut -d= -f1 | sort | tr "\\n" " "')
    expect(names).toBe('HOME LANG PATH PWD USER')
  })

  test.skipIf(!hostUserIdsUsable())('each runs under a host user of its own (needs root)', async () => {
    expect(await hostUsersOf(guest)).toEqual(new Set([guest.spec.hostUser]))
    expect(await hostUsersOf(other)).toEqual(new Set([other.spec.hostUser]))
    expect(guest.spec.hostUser).not.toBe(other.spec.hostUser)
  })
}

async function hostUsersOf(guest: Guest): Promise<Set<number>> {
  const users = (await hostProcessesOf(guest)).map((pid) => readIfAllowed(`/proc/${pid}/status`))
  return new Set(users.flatMap((status) => /^Uid:\s+(\d+)/m.exec(status)?.[1] ?? []).map(Number))
}

const connectScript = `
const socket = net.connect(JSON.parse(process.argv[1]))
socket.setTimeout(1000, () => socket.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })))
socket.on('data', (data) => console.log(String(data)))
socket.on('error', (error) => console.log(error.code))`
