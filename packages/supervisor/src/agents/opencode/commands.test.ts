/** Which commands people see, and which are not run. How one is run is shown with real agents in `e2e/commands.test.ts`. */
import { createServer } from 'node:http'
import { type CommandCall, commandLimits, defaultPermissions, type Permissions } from '@corral/protocol'
import { expect, test } from 'vitest'
import { type CommandBody, createAgentApi } from './api.ts'
import { admitCommand, beginCommand, shownCommands, type ToldCommand } from './commands.ts'

const told = (change: Partial<ToldCommand>): ToldCommand => ({ name: 'review', template: 'Look', hints: [], ...change })
const policy = (permissions: Permissions = defaultPermissions) => ({ permissions, alwaysAllowed: [] })
const noShell: Permissions = { default: 'auto', rules: [{ tool: 'bash', action: 'deny' }] }

test('templates stay with the agent, and what is too long is cut or left out', () => {
  const description = 'x'.repeat(2_000)
  const shown = shownCommands([
    told({ description, agent: null, hints: ['$1'], template: 'secret of the agent' }),
    told({ name: 'y'.repeat(101) }),
  ])
  expect(shown).toEqual([
    { name: 'review', description: 'x'.repeat(commandLimits.descriptionCharacters), hints: ['$1'] },
  ])
  expect(shownCommands(Array.from({ length: 600 }, (_, i) => told({ name: `c${i}` })))).toHaveLength(500)
})

test('an unknown command is refused with the names of those that there are', () => {
  expect(() => admitCommand({ name: 'deploy', arguments: '' }, [told({})], policy())).toThrow(
    'The agent has no command "deploy". It has: review.',
  )
})

test.each<[string, Partial<ToldCommand>, string]>([
  ['its template', { template: 'See !`git diff`' }, ''],
  ['its arguments', {}, 'now !`rm -rf .`'],
])('a shell in %s runs only where the policy lets the agent use one', (_, change, given) => {
  const call: CommandCall = { name: 'review', arguments: given }
  expect(() => admitCommand(call, [told(change)], policy(noShell))).toThrow('runs a shell by itself')
  expect(() =>
    admitCommand(call, [told(change)], policy({ ...noShell, rules: [{ tool: 'bash', action: 'ask' }] })),
  ).toThrow()
  expect(() => admitCommand(call, [told(change)], policy())).not.toThrow()
  expect(() => admitCommand({ ...call, arguments: '' }, [told({})], policy(noShell))).not.toThrow()
})

/** The agent answers a command with the end of its turn. */
async function startAgent(answer: { status: number; when: Promise<unknown> }, has: () => boolean) {
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') return response.end(has() ? '[{"info":{"id":"msg_1"}}]' : '[]')
    await answer.when
    response.writeHead(answer.status).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const api = createAgentApi({ origin: `http://127.0.0.1:${address.port}`, username: 'corral', password: 'x' })
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { api, [Symbol.dispose]: close }
}
const body: CommandBody = { messageID: 'msg_1', command: 'review', arguments: '', model: 'corral/demo', agent: 'build' }

test('a command has begun once its message is there, long before the agent answers', async () => {
  const over = Promise.withResolvers<void>()
  let has = false
  using agent = await startAgent({ status: 200, when: over.promise }, () => has)
  const begun = beginCommand(agent.api, 'ses_1', body, new AbortController().signal)
  has = true
  await begun
  over.resolve()
})

test('what the agent refuses, and what is stopped before it has begun, is told', async () => {
  using refusing = await startAgent({ status: 400, when: Promise.resolve() }, () => false)
  const { signal } = new AbortController()
  await expect(beginCommand(refusing.api, 'ses_1', body, signal)).rejects.toThrow('The agent answered 400')
  using silent = await startAgent({ status: 200, when: new Promise(() => {}) }, () => false)
  await expect(beginCommand(silent.api, 'ses_1', body, AbortSignal.timeout(300))).rejects.toThrow()
})
