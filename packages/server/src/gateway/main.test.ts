import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test, vi } from 'vitest'
import { gatewayHealth } from './control.ts'
import { bearer, chat, operatorKey, testGateway } from './testGateway.ts'

const gateway = await testGateway()
const processes: ChildProcess[] = []
afterAll(async () => {
  for (const child of processes) child.kill('SIGKILL')
  await gateway[Symbol.asyncDispose]()
})

async function startProcess(version: string) {
  const file = join(gateway.folder, `${version}.json`)
  await writeFile(file, JSON.stringify({ ...gateway.settings, version }), { mode: 0o600 })
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, file], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
  processes.push(child)
  const said = Promise.all([text(child.stdout), text(child.stderr)]).then((texts) => texts.join(''))
  await vi.waitFor(
    async () => expect(await gatewayHealth(gateway.settings.controlSocket)).toMatchObject({ version, pid: child.pid }),
    { timeout: 10_000, interval: 20 },
  )
  return { child, exited: once(child, 'exit'), said }
}

test('a gateway of its own process takes over, serves, and hands over to the next between streams', async () => {
  const session = await gateway.session({ running: true })
  const ask = async (play: string) =>
    gateway.call('/v1/chat/completions', { method: 'POST', headers: bearer(session.token), body: chat(play) })

  const first = await startProcess('one')
  const streaming = ask('say "begun" | gate handover | say "ended"')
  await gateway.scripted.waitAtGate('handover', 5_000)
  const second = await startProcess('two')
  expect(await text((await ask('say "meanwhile"')).body)).toContain('meanwhile')
  await gateway.scripted.release('handover')
  expect(await text((await streaming).body)).toContain('ended')
  expect(await first.exited).toEqual([0, null])

  second.child.kill('SIGTERM')
  expect(await second.exited).toEqual([0, null])
  expect(await gatewayHealth(gateway.settings.controlSocket)).toBeNull()
  const said = (await first.said) + (await second.said)
  expect(said).toContain('"msg":"model call"')
  for (const secret of [operatorKey, session.token, gateway.database.url]) expect(said).not.toContain(secret)
})

test('a gateway that is killed in the middle of a stream resets it, and the next one serves', async () => {
  const session = await gateway.session()
  const ask = async (play: string) =>
    gateway.call('/v1/chat/completions', { method: 'POST', headers: bearer(session.token), body: chat(play) })
  const first = await startProcess('three')
  const answer = await ask('say "begun" | hang')
  const broken = expect(text(answer.body)).rejects.toThrow()
  first.child.kill('SIGKILL')
  await broken
  await startProcess('four')
  expect(await text((await ask('say "again"')).body)).toContain('again')
})

test('a gateway that is frozen while another takes its door ends when it wakes', async () => {
  const frozen = await startProcess('five')
  frozen.child.kill('SIGSTOP')
  const next = await startProcess('six')
  frozen.child.kill('SIGCONT')
  expect(await frozen.exited).toEqual([0, null])
  expect(await gatewayHealth(gateway.settings.controlSocket)).toMatchObject({ pid: next.child.pid, ownsDoor: true })
})
