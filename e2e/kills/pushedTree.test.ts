/**
 * A tree of sessions, two of them pushed and one that went on in the cloud, is deleted while pushes for it are under way,
 * and the server dies in the middle of the removal: nothing of it is left, and nothing late brings it back.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AgentSessionId, newAgentSessionId, newMessageId, newPartId, type SessionRow } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { apiKey, type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { play, say } from '../harness/script.ts'
import { follow } from '../harness/viewer.ts'
import { recordsOf } from './records.ts'

let corral: Installation
beforeAll(async () => {
  corral = await startInstallation()
})
afterAll(() => corral?.end())

const call = (method: string, path: string, body?: object): Promise<Response> =>
  fetch(corral.url + path, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
const statusOf = async (answer: Promise<Response>): Promise<number> => (await answer).status
const push = (id: AgentSessionId, data: object[]) => call('POST', `/api/session/${id}/ingest?v=2`, { data })

/** `bytes` of text in one part. */
function said(bytes: number): object[] {
  const messageID = newMessageId()
  const text = 'x'.repeat(bytes)
  const model = { providerID: 'demo', modelID: 'demo' }
  return [
    { type: 'message', data: { id: messageID, role: 'user', agent: 'code', model, time: { created: Date.now() } } },
    { type: 'part', data: { id: newPartId(), messageID, type: 'text', text } },
  ]
}

async function pushed(parentID?: AgentSessionId): Promise<SessionRow> {
  const id = newAgentSessionId()
  expect(await statusOf(call('POST', '/api/session', { sessionId: id }))).toBe(200)
  const told = { type: 'session', data: { id, parentID, title: 'Work', time: { created: 1, updated: 2 } } }
  // The second is more than a row takes.
  for (const bytes of [10, 3 * 1024 * 1024]) expect(await statusOf(push(id, [told, ...said(bytes)]))).toBe(200)
  return (await call('GET', `/api/session/${id}`)).json() as Promise<SessionRow>
}

test('it is gone as a whole', async () => {
  const gitUrl = await makeRepository(join(corral.repositories, 'tree.git'), { 'README.md': 'A tree.\n' })
  const root = await pushed()
  const child = await pushed(root.sessionId)
  const grandchild = await pushed(child.sessionId)
  const tree = [root, child, grandchild]
  await corral.backEnd.call.prepareLegacySession.mutate({
    cloudAgentSessionId: child.cloudAgentSessionId,
    kiloSessionId: child.sessionId,
    ...{ prompt: play(say('In the cloud.')), mode: 'code', model: 'scripted/demo', agentKind: 'opencode', gitUrl },
  })
  const { cloudAgentSessionId: id } = child
  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: id })
  const viewer = follow(corral.corral, id)
  expect((await viewer.ended(executionId)).streamEventType).toBe('complete')
  viewer.close()

  const records = recordsOf(corral.home)
  for (const one of tree) expect(await records.remains(one.cloudAgentSessionId)).toHaveProperty('blob')
  const before = await records.remains(root.cloudAgentSessionId)
  const removal = await records.hold('blob', root.cloudAgentSessionId)
  const late = [root, grandchild].flatMap(({ sessionId }) =>
    Array.from({ length: 25 }, () => statusOf(push(sessionId, said(1_000)))),
  )
  expect(await statusOf(call('DELETE', `/api/session/${root.sessionId}`))).toBe(200)
  expect((await Promise.all(late)).filter((status) => status !== 200 && status !== 404)).toEqual([])
  await eventually('the removal to be under way', 30_000, async () => (await records.someoneWaits()) || null)
  await corral.kill()
  await removal[Symbol.asyncDispose]()
  const left = await records.remains(root.cloudAgentSessionId)
  expect(left.event, 'a removal is done as a whole or not at all').toBeGreaterThanOrEqual(before.event ?? 0)

  await corral.start()
  await eventually('nothing of it to be left', 60_000, async () => {
    const rows = await Promise.all(tree.map((one) => records.remains(one.cloudAgentSessionId)))
    const files = await Promise.all(['sandboxes', 'checkpoints'].map((name) => readdir(join(corral.home, name))))
    return rows.every((ofOne) => Object.keys(ofOne).length === 0) && files.flat().length === 0 ? true : null
  })
  for (const { sessionId, cloudAgentSessionId } of tree) {
    expect(await statusOf(push(sessionId, said(10)))).toBe(404)
    expect(await statusOf(call('GET', `/api/session/${sessionId}/export`))).toBe(404)
    expect(await records.remains(cloudAgentSessionId)).toEqual({})
  }
  expect(await statusOf(call('POST', '/api/session', { sessionId: root.sessionId }))).toBe(404)
  expect(await (await call('GET', '/api/sessions')).json()).toMatchObject({ sessions: [] })
})
