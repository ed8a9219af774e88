import { describe, expect, test } from 'vitest'
import type { Conversation } from './conversation.ts'
import type { Call } from './scenario.ts'
import { callTool } from './toolbox.ts'

const agent = (tools: Record<string, Record<string, string>>, systemText = ''): Conversation => ({
  model: 'scripted/demo',
  systemText,
  lastUserText: '',
  toolResults: [],
  tools: Object.entries(tools).map(([name, properties]) => ({
    name,
    properties: new Map(Object.entries(properties).map(([property, type]) => [property, { type }])),
  })),
  messageCount: 1,
  fileCount: 0,
  promptLength: 0,
})

const called = (call: Call, conversation: Conversation) => {
  const { name, arguments: json } = callTool(call, conversation)
  return [name, JSON.parse(json)]
}

describe('a call is put into the words of the agent that asks', () => {
  const edit: Call = { kind: 'edit', path: 'sum.js', before: 'x', after: 'y' }

  test('OpenCode', () => {
    const openCode = agent({
      bash: { command: 'string' },
      edit: { filePath: 'string', oldString: 'string', newString: 'string' },
    })
    expect(called(edit, openCode)).toEqual(['edit', { filePath: 'sum.js', oldString: 'x', newString: 'y' }])
    expect(called({ kind: 'bash', command: 'ls' }, openCode)).toEqual(['bash', { command: 'ls' }])
  })

  test('Claude Code, which wants absolute paths', () => {
    const claude = agent(
      { Edit: { file_path: 'string', old_string: 'string', new_string: 'string' } },
      'You are …\n - Primary working directory: /workspace/a\n - Platform: linux',
    )
    expect(called(edit, claude)).toEqual([
      'Edit',
      { file_path: '/workspace/a/sum.js', old_string: 'x', new_string: 'y' },
    ])
  })

  test('an agent whose shell takes words', () => {
    const codex = agent({ shell: { command: 'array' } })
    expect(called({ kind: 'bash', command: 'ls -l' }, codex)).toEqual(['shell', { command: ['bash', '-lc', 'ls -l'] }])
  })

  test('a request without tools gets the names of OpenCode', () => {
    expect(called({ kind: 'read', path: 'a' }, agent({}))).toEqual(['read', { filePath: 'a' }])
  })
})

test('a tool by name is called as written, whatever is offered', () => {
  expect(called({ kind: 'tool', name: 'fly', arguments: { to: 'moon' } }, agent({ bash: {} }))).toEqual([
    'fly',
    { to: 'moon' },
  ])
})

test('a verb that the agent has no tool for is refused, and the sentence names what it has', () => {
  expect(() => callTool({ kind: 'read', path: 'a' }, agent({ shell: {}, plan: {} }))).toThrow(
    'this agent offers no tool for "read"; it offers shell, plan',
  )
})
