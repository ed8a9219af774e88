import type { Part } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { toolUse } from './tool.ts'

const part = (tool: string, state: object): Part => ({
  ...{ id: 'prt_1', sessionID: 'ses_1', messageID: 'msg_1', type: 'tool', tool, state },
})
const place = '/workspace/user/sessions/agent_00000000-0000-4000-8000-000000000000'

describe('a use of a tool', () => {
  test('that runs a command shows its output while it comes', () => {
    const use = toolUse(
      part('bash', { status: 'running', input: { command: 'npm ci' }, metadata: { output: 'adding' } }),
    )
    expect(use).toMatchObject({ verb: 'Run', about: 'npm ci', body: { kind: 'terminal', output: 'adding' } })
  })

  test('that runs a command says how it ended when that was not well', () => {
    const state = { status: 'completed', input: { command: 'false' }, output: '', metadata: { exit: 1 } }
    expect(toolUse(part('bash', state)).note).toBe('exit 1')
  })

  test('that edits has the diff, and before that what is replaced by what', () => {
    const input = { filePath: `${place}/src/a.ts`, oldString: 'a', newString: 'b' }
    expect(toolUse(part('edit', { status: 'running', input }))).toMatchObject({
      about: 'src/a.ts',
      body: { kind: 'change', before: 'a', after: 'b' },
    })
    const done = { status: 'completed', input, output: 'ok', metadata: { diff: '--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n' } }
    expect(toolUse(part('edit', done))).toMatchObject({ body: { kind: 'diff' }, note: '+1 −1' })
  })

  test("that begins a sub-agent knows the sub-agent's session", () => {
    const state = { status: 'running', input: { description: 'Look' }, metadata: { sessionId: 'ses_child' } }
    expect(toolUse(part('task', state)).body).toMatchObject({ kind: 'agent', agentSessionId: 'ses_child' })
  })

  test('that nobody knows is shown as it came', () => {
    const use = toolUse(part('my_own-tool', { status: 'completed', input: { a: 1 }, output: 'done', title: 'A title' }))
    expect(use).toMatchObject({ verb: 'My own tool', about: 'A title', body: { kind: 'members', output: 'done' } })
  })

  test.each([[undefined], [null], [{}], [{ status: 7, input: 'x', output: {}, metadata: [], time: 'now' }]])(
    'of which everything else is wrong is one that has not begun: %j',
    (state) => {
      expect(toolUse({ ...part('bash', {}), state })).toMatchObject({ status: 'pending', start: null })
    },
  )
})
