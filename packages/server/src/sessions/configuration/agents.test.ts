import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAgentStore } from '../../agents/store.ts'
import { createAgentChoice } from './agents.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'corral-agents-'))
  for (const version of ['1.9.0', '1.10.0']) {
    mkdirSync(join(folder, `opencode@${version}`))
    const record = { name: 'opencode', version, kind: 'opencode', wire: 'openai-chat', bin: 'opencode' }
    writeFileSync(join(folder, `opencode@${version}`, 'agent.json'), JSON.stringify(record))
  }
})
afterAll(() => rmSync(folder, { recursive: true }))
const choice = () => createAgentChoice(createAgentStore({ folder }))

test('a session gets the newest version, or the one that is named', async () => {
  for (const asked of [undefined, 'opencode', 'opencode@1.10.0']) {
    expect(await choice().choose(asked)).toEqual({ kind: 'opencode', version: '1.10.0' })
  }
  expect(await choice().choose('opencode@1.9.0')).toEqual({ kind: 'opencode', version: '1.9.0' })
})

test('what is not installed is refused with what is', async () => {
  for (const asked of ['kilo', 'opencode@1.11.0', 'opencode@1', '../etc']) {
    expect(await choice().choose(asked)).toEqual({
      refused: `"${asked}" is not installed here (installed: opencode@1.9.0, opencode@1.10.0); add it with "corral agents add ${asked}"`,
    })
  }
})

test('an agent that was removed since ends the work with what to do', async () => {
  expect(await choice().installed('opencode', '1.9.0')).toEqual({ kind: 'opencode', program: 'opencode' })
  await expect(choice().installed('opencode', '1.8.0')).rejects.toMatchObject({
    failure: {
      reason: 'agent_unavailable',
      message: expect.stringMatching(/opencode@1\.8\.0.*is not installed any more.*corral agents add opencode@1\.8\.0/),
    },
  })
})
