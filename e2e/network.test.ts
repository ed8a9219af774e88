/** What programs in a sandbox reach of the web: what is listed, through the proxy alone, and its owner can read of it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from './harness/installation.ts'
import { makeRepository } from './harness/repositories.ts'
import { bash, play } from './harness/script.ts'
import { toolOutputs } from './harness/tools.ts'
import { follow, type Viewer } from './harness/viewer.ts'

/** Asks for an address the way that `HTTP_PROXY` says, and prints the status and the first line of the answer. */
const program = `
import { request } from 'node:http'
const proxy = new URL(process.env.HTTP_PROXY)
const authorization = 'Basic ' + Buffer.from(proxy.username + ':').toString('base64')
const [address] = process.argv.slice(2)
const headers = { host: new URL(address).host, 'proxy-authorization': authorization }
const call = request({ host: proxy.hostname, port: proxy.port, path: address, headers, agent: false })
call.on('response', async (answer) => console.log(answer.statusCode, (await answer.toArray()).join('').split('\\n')[0]))
call.end()
`

/** Where packages come from on this machine. */
const npmRegistry = execFileSync('npm', ['config', 'get', 'registry'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
}).trim()
const install = 'npm install --fetch-retries=0 is-odd@3.0.1 && cat package-lock.json; npm publish; true'

const site = createServer((_, response) => response.end('the site of the team'))
let port: number
let corral: Installation
let session: SessionId
let executionId: ExecutionId
let viewer: Viewer

beforeAll(async () => {
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  port = (site.address() as AddressInfo).port
  corral = await startInstallation({
    env: { CORRAL_ALLOW_PRIVATE_HOSTS: `localhost:${port}` },
    config: { registries: { npm: { url: npmRegistry } } },
  })
  const repository = await makeRepository(`${corral.repositories}/app`, {
    'ask.mjs': program,
    'package.json': '{"name": "app", "version": "1.0.0"}',
  })
  const asked = (address: string) => bash(`node ask.mjs ${address}`)
  const started = await corral.corral.call.start.mutate({
    prompt: play(
      ...[asked(`http://localhost:${port}/`), asked('http://elsewhere.test/'), asked('http://elsewhere.test/')],
      bash(install),
    ),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    network: { mode: 'allowlist', hosts: [`localhost:${port}`] },
  })
  session = started.cloudAgentSessionId
  executionId = started.executionId
  viewer = follow(corral.corral, session)
  expect(await viewer.ended(executionId)).toMatchObject({ streamEventType: 'complete' })
})
afterAll(async () => {
  viewer?.close()
  await corral?.end()
  site.close()
})

test('a program reaches what its session lists, and is told why it does not reach the rest', () => {
  const [listed, other] = toolOutputs(viewer, executionId)
  expect(listed).toContain('200 the site of the team')
  expect(other).toContain("403 corral: elsewhere.test is not on this session's list of hosts.")
})

test('npm installs through the registry door, leaves no trace of it in the lock file, and publishes nothing', () => {
  const [, , , installed] = toolOutputs(viewer, executionId)
  expect(installed).toMatch(/added 2 packages/)
  expect(installed).toContain('"node_modules/is-odd"')
  expect(installed).not.toContain('"resolved"')
  expect(installed).toMatch(/npm error code (ENEEDAUTH|E405)/)
})

test('a refused host is a status event, once', () => {
  const told = viewer.events.filter(({ streamEventType, data }) => {
    return streamEventType === 'status' && 'level' in data && data.level === 'warning'
  })
  expect(told).toMatchObject([{ executionId, data: { message: expect.stringContaining('elsewhere.test') } }])
})

test('the owner reads what was let through and what was refused', async () => {
  const { visits, nextCursor } = await corral.corral.call.getNetworkLog.query({ cloudAgentSessionId: session })
  expect(nextCursor).toBeNull()
  const total = (host: string) =>
    visits.filter((visit) => visit.host === host).map(({ allowed, reason, visits: count }) => [allowed, reason, count])
  expect(total('localhost')).toEqual([[true, undefined, 1]])
  expect(total(new URL(npmRegistry).hostname)).toContainEqual([true, undefined, expect.any(Number)])
  expect(total('elsewhere.test').every(([allowed, reason]) => !allowed && reason === 'not_listed')).toBe(true)
})
