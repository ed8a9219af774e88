/** Where names lead to: a gateway in a network namespace of its own, whose resolver and internet are this test's. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Network, networkSchema } from '@corral/protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { namespacesLack, startInternet, type TestInternet } from '../../testing/network/namespaces.ts'
import { gatewayHealth } from '../control.ts'
import { type TestGateway, type TestSession, testGateway } from '../testGateway.ts'

const publicV4 = '93.184.216.34'
const publicV6 = '2606:2800:220:1::1'
/** A public one that is this machine's own. */
const own = '93.184.216.99'

const refused: Record<string, string[][]> = {
  'loopback.test': [['127.0.0.1']],
  'loopback-range.test': [['127.8.8.8']],
  'unspecified.test': [['0.0.0.0']],
  'private-10.test': [['10.0.0.1']],
  'private-172.test': [['172.16.0.1']],
  'private-192.test': [['192.168.1.1']],
  'carrier.test': [['100.64.0.1']],
  'metadata.test': [['169.254.169.254']],
  'azure.test': [['168.63.129.16']],
  'wire.test': [['10.99.0.1']],
  'own.test': [[own]],
  'loopback6.test': [['::1']],
  'local6.test': [['fd00::1']],
  'metadata6.test': [['fd00:ec2::254']],
  'link6.test': [['fe80::1']],
  'mapped.test': [['::ffff:10.0.0.1']],
  'compatible.test': [['::10.0.0.1']],
  'nat64.test': [['64:ff9b::a00:1']],
  'nat64-local.test': [['64:ff9b:1::a00:1']],
  '6to4.test': [['2002:a00:1::1']],
  'teredo.test': [['2001:0:a00:1::1']],
}
const zone: Record<string, string[][]> = {
  ...refused,
  'public.test': [[publicV4]],
  'public6.test': [[publicV6]],
  'rebinding.test': [[publicV4], ['127.0.0.1']],
  'both.test': [['10.0.0.1', publicV4, '127.0.0.1']],
}

const lack = namespacesLack()
let internet: TestInternet
let gateway: TestGateway

describe.skipIf(lack !== null)(`in a network of its own${lack ? ` (${lack})` : ''}`, () => {
  beforeAll(async () => {
    const names = Object.values(zone).flat(2)
    const addresses = [...new Set(names)].filter((address) => ![own, '0.0.0.0', '10.99.0.1', '::1'].includes(address))
    internet = await startInternet({
      // One machine has them all; what begins with 127 is everybody's own.
      addresses: addresses.filter((address) => !/^127\.|^::ffff:|^fe80/.test(address)),
      ownAddresses: [own],
      ...{ zone, ports: [443, 80, 22] },
    })
    gateway = await testGateway()
    await gateway.close()
    const file = join(gateway.folder, 'gateway.json')
    await writeFile(file, JSON.stringify({ ...gateway.settings, version: 'inner' }), { mode: 0o600 })
    internet.run(process.execPath, [fileURLToPath(new URL('../main.ts', import.meta.url)), file])
    await vi.waitFor(
      async () => expect(await gatewayHealth(gateway.settings.controlSocket)).toMatchObject({ version: 'inner' }),
      { timeout: 20_000, interval: 50 },
    )
  })
  afterAll(async () => {
    await internet?.[Symbol.asyncDispose]()
    await gateway?.[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    internet.connected.length = 0
  })

  const sessionWith = (network: Partial<Network>) => gateway.session({ network: networkSchema.parse(network) })

  /** The status of a CONNECT, and whether the server's word came through. */
  async function tunnel({ token }: TestSession, authority: string): Promise<{ status: number; reached: boolean }> {
    const socket = connect({ path: gateway.settings.socket })
    const credentials = Buffer.from(`${token}:`).toString('base64')
    socket.write(
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
    )
    let said = ''
    socket.on('data', (chunk) => {
      said += chunk
      if (said.includes('hello from there')) socket.destroy()
    })
    socket.on('error', () => {})
    await once(socket, 'close', { signal: AbortSignal.timeout(15_000) })
    return { status: Number(said.split(' ')[1]), reached: said.includes('hello from there') }
  }

  test('what is refused below is there: whoever is not the gateway reaches it', async () => {
    const traps = [
      '127.0.0.1',
      '10.0.0.1',
      '100.64.0.1',
      '169.254.169.254',
      own,
      '::1',
      'fd00::1',
      '64:ff9b::a00:1',
      '2002:a00:1::1',
    ]
    const program = `for (const host of process.argv.slice(1)) require('node:net').connect(443, host).resume()`
    internet.run(process.execPath, ['--eval', program, ...traps])
    await vi.waitFor(() => expect(internet.connected.toSorted()).toEqual(traps.toSorted()), {
      timeout: 10_000,
      interval: 50,
    })
  })

  test.each([
    ['public.test', publicV4],
    ['public6.test', publicV6],
    [publicV4, publicV4],
    [`[${publicV6}]`, publicV6],
    ['both.test', publicV4],
  ])('%s is reached, at its public address', async (host, address) => {
    const session = await sessionWith({ mode: 'open' })
    expect(await tunnel(session, `${host}:443`)).toEqual({ status: 200, reached: true })
    expect(internet.connected).toEqual([address])
  })

  test('no name leads to an address that is not public, and none of them is connected to', async () => {
    const session = await sessionWith({ mode: 'open' })
    const names = Object.keys(refused)
    for (const name of names) expect([name, (await tunnel(session, `${name}:443`)).status]).toEqual([name, 403])
    expect(internet.connected).toEqual([])
    await expect
      .poll(async () => (await gateway.visits(session)).map(({ host, refused: why }) => [host, why]), {
        timeout: 5_000,
      })
      .toEqual(names.toSorted().map((name) => [name, 'address']))
  })

  test('nor does one that the session lists itself, at a port that it lists', async () => {
    const session = await sessionWith({ hosts: ['private-10.test:22', 'metadata.test', 'public.test:22'] })
    expect(await tunnel(session, 'public.test:22')).toMatchObject({ reached: true })
    internet.connected.length = 0
    expect((await tunnel(session, 'private-10.test:22')).status).toBe(403)
    expect((await tunnel(session, 'metadata.test:443')).status).toBe(403)
    expect(internet.connected).toEqual([])
  })

  test.each([
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '0251.0376.0251.0376',
    own,
  ])('an address is none in another spelling: %s', async (host) => {
    expect((await tunnel(await sessionWith({ mode: 'open' }), `${host}:443`)).status).toBe(403)
    expect(internet.connected).toEqual([])
  })

  test('a name that leads elsewhere at each look-up is connected to at the address that was looked at', async () => {
    const session = await sessionWith({ mode: 'open' })
    const answers: boolean[] = []
    for (let time = 0; time < 12; time++) answers.push((await tunnel(session, 'rebinding.test:443')).reached)
    // Every other answer is this machine's loopback, where somebody listens.
    expect(answers.filter(Boolean)).toHaveLength(6)
    expect(new Set(internet.connected)).toEqual(new Set([publicV4]))
    expect(internet.connected).toHaveLength(6)
  })

  test.each([
    [{ mode: 'open' }, 'public.test:443', 200],
    [{ mode: 'open' }, 'public.test:22', 403],
    [{ mode: 'allowlist', hosts: ['public.test'] }, 'public.test:443', 200],
    [{ mode: 'allowlist', hosts: ['public.test'] }, 'public.test:22', 403],
    [{ mode: 'allowlist' }, 'public.test:443', 403],
    [{ mode: 'off', hosts: ['public.test'] }, 'public.test:443', 403],
    [{ mode: 'off-all', hosts: ['public.test'] }, 'public.test:443', 403],
    [{ mode: 'open' }, 'nowhere.test:443', 502],
  ] as const)('with %j, %s is answered %i', async (network, authority, status) => {
    const session = await sessionWith({ ...network, hosts: 'hosts' in network ? [...network.hosts] : [] })
    expect((await tunnel(session, authority)).status).toBe(status)
    expect(internet.connected).toHaveLength(status === 200 ? 1 : 0)
  })
})
