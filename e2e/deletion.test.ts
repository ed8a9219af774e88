/** A session that is deleted in the middle of a turn is gone for everybody, and nothing late brings it back. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { newExecutionId, newSessionId, type SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from './harness/installation.ts'
import { processesOf } from './harness/processes.ts'
import { makeRepository, referencesOf } from './harness/repositories.ts'
import { bash, gate, play, say } from './harness/script.ts'
import { openSocket, type SocketViewer } from './harness/socket.ts'

let corral: Installation
let repository: string
let session: SessionId
let viewer: SocketViewer

const agentMs = 40_000

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  const push = 'git commit --allow-empty --message=late && git push'
  ;({ cloudAgentSessionId: session } = await corral.corral.call.start.mutate({
    prompt: play(say('I begin.'), gate('deleted'), say('I go on.'), bash(push)),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    autoCommit: true,
  }))
  viewer = await openSocket({ url: corral.url, apiKey, session })
  await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt: play(say('Never said.')) })
  await (await corral.model()).waitAtGate('deleted', agentMs)
})
afterAll(() => corral?.end())

/** Status and body of everything that can be asked about a session, without its id. */
async function answersAbout(id: SessionId): Promise<string[]> {
  const executionId = newExecutionId()
  const named = encodeURIComponent(JSON.stringify({ cloudAgentSessionId: id }))
  const result = encodeURIComponent(JSON.stringify({ cloudAgentSessionId: id, executionId }))
  const post = (body: object) => ({ method: 'POST', body: JSON.stringify(body) })
  const calls: [string, RequestInit?][] = [
    ...['getSession', 'getDiff', 'getTiming'].map((name): [string] => [`/trpc/${name}?input=${named}`]),
    [`/trpc/getMessageResult?input=${result}`],
    ['/trpc/sendMessage', post({ cloudAgentSessionId: id, prompt: 'Hello?' })],
    ['/trpc/initiateFromPreparedSession', post({ cloudAgentSessionId: id })],
    ['/trpc/interruptSession', post({ cloudAgentSessionId: id })],
    ['/api/cloud-agent/sessions/stream-ticket', post({ cloudAgentSessionId: id })],
    [`/api/session/${id}/export`],
  ]
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  return Promise.all(
    calls.map(async ([path, init]) => {
      const response = await fetch(corral.url + path, { ...init, headers })
      return `${response.status} ${(await response.text()).replaceAll(id, '<id>').replaceAll(executionId, '<execution>')}`
    }),
  )
}

test('an open socket is closed with 4404, and the session is as if it had never been', async () => {
  expect(await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: session })).toEqual({ success: true })
  expect(await viewer.closed()).toBe(4404)
  const answers = await answersAbout(session)
  for (const answer of answers) expect(answer).toMatch(/^404 .*session_not_found/)
  expect(answers).toEqual(await answersAbout(newSessionId()))
  expect((await corral.corral.call.listSessions.query({})).sessions).toEqual([])
})

test('nothing late brings it back: its turn goes nowhere, its sandbox ends, its files are removed', async () => {
  const before = await referencesOf(repository)
  await (await corral.model()).release('deleted')
  await eventually('the end of the sandbox and of its folder', 30_000, async () => {
    // By their paths inside; the repository may itself lie in a folder of that name.
    const inside = (await processesOf(corral.folder)).filter(({ commandLine }) => /(^|\s)\/corral\//.test(commandLine))
    const folders = await readdir(join(corral.home, 'sandboxes'))
    return (inside.length === 0 && folders.length === 0) || null
  })
  expect(await referencesOf(repository)).toBe(before)
  expect(await answersAbout(session)).toEqual(await answersAbout(newSessionId()))
})

test('deleted again, or never there: a success all the same', async () => {
  for (const id of [session, newSessionId()]) {
    expect(await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: id })).toEqual({ success: true })
  }
})
