/** Exports with every kind of part in them come back into stock agents by their own import, and the conversation goes on there. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newAgentSessionId, type SessionExport } from '@corral/protocol'
import { type ScriptedModel, startScriptedModel } from '@corral/scripted-model'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { everyKind } from '../harness/everyKind.ts'
import { apiKey, type Installation, startInstallation } from '../harness/installation.ts'
import { installedAgent, notInstalled } from '../harness/installedAgent.ts'
import { jsonOf, laptop, prompted } from '../harness/laptop.ts'
import { play, say } from '../harness/script.ts'

let corral: Installation
/** Theirs: what runs on their machine is nothing to Corral. */
let model: ScriptedModel

beforeAll(async () => {
  corral = await startInstallation()
  model = await startScriptedModel()
})
afterAll(async () => {
  await model?.close()
  await corral?.end()
})

async function call(method: 'GET' | 'POST', path: string, body?: object): Promise<string> {
  const response = await fetch(corral.url + path, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status} for ${path}: ${text}`)
  return text
}

test.for(['opencode', 'kilo'] as const)('%s takes all of it', { timeout: 600_000 }, async (name, { skip }) => {
  const agent = await installedAgent(corral, name)
  if (!agent) return skip(notInstalled(name))
  const id = newAgentSessionId()
  await call('POST', '/api/session', { sessionId: id })
  const { items, expected } = everyKind(id)
  const pushed = JSON.parse(await call('POST', `/api/session/${id}/ingest?v=2`, { data: items }))
  expect(pushed).toMatchObject({ accepted: items.length, skipped: [] })
  const file = join(corral.folder, `every-kind-${name}.json`)
  await writeFile(file, await call('GET', `/api/session/${id}/export`))

  const machine = await laptop({ home: join(corral.folder, name), agent, modelUrl: model.url })
  expect(await machine.run(['import', file])).toContain(id)
  const imported: SessionExport = JSON.parse(jsonOf(await machine.run(['export', id])))
  expect(imported.messages).toEqual(expected)
  expect(await machine.run(['run', '--session', id, ...prompted(play(say('It goes on.')))])).toContain('It goes on.')
})
