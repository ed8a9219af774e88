import { describe, expect, test } from 'vitest'
import { readConversation } from './conversation.ts'

const user = (...texts: string[]) => ({ role: 'user' as const, content: texts.map((text) => ({ type: 'text', text })) })
const result = (content: string) => ({ role: 'tool' as const, content })
const read = (...messages: Parameters<typeof readConversation>[0]['messages']) =>
  readConversation({ model: 'demo', messages })

describe('the last user text', () => {
  test('is followed by the tool results that count', () => {
    const conversation = read(user('play: say "old"'), result('old'), user('play: say "new"'), result('1'), result('2'))
    expect(conversation).toMatchObject({ lastUserText: 'play: say "new"', toolResults: ['1', '2'] })
  })

  test('is not a reminder that an agent puts behind a tool result', () => {
    const conversation = read(
      user('play: say "a"'),
      result('1'),
      user('<system-reminder>Mind the list.</system-reminder>'),
    )
    expect(conversation).toMatchObject({ lastUserText: 'play: say "a"', toolResults: ['1'] })
  })

  test('loses the reminders in it, and keeps its parts apart', () => {
    const conversation = read(
      user('<environment_context>x</environment_context>', 'play: say "a"', 'Called the Read tool'),
    )
    expect(conversation.lastUserText).toBe('play: say "a"\n\nCalled the Read tool')
  })

  test('has no scenario of an old conversation that is to be summed up', () => {
    const conversation = read(user('So far:\n<conversation>\nplay: hang\n</conversation>\nSum it up.'))
    expect(conversation.lastUserText).toBe('So far:\n\n\nSum it up.')
  })
})

test('a tool is known by all its properties, also those without a type', () => {
  const parameters = {
    type: 'object',
    properties: { command: {}, quiet: true, timeout: { type: 'number' } },
  }
  const { tools } = readConversation({
    model: 'demo',
    messages: [user('hello')],
    tools: [{ type: 'function', function: { name: 'bash', parameters } }],
  })
  expect(tools).toEqual([
    {
      name: 'bash',
      properties: new Map([
        ['command', {}],
        ['quiet', {}],
        ['timeout', { type: 'number' }],
      ]),
    },
  ])
})
