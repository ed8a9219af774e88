import { type Envelope, newExecutionId, newSessionId, type StreamEventType } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import type { Terminal } from '../terminal.ts'
import { eventPrinter } from './events.ts'

const sessionId = newSessionId()
const executionId = newExecutionId()

type Told = { streamEventType: StreamEventType; data: unknown }
const envelope = (told: Told, i: number): Envelope =>
  JSON.parse(JSON.stringify({ eventId: i + 1, sessionId, executionId, timestamp: '2026-01-01T00:00:00.000Z', ...told }))
const kilocode = (type: string, properties: object): Told => ({
  streamEventType: 'kilocode',
  data: { type, properties },
})
const message = (id: string, role = 'assistant', sessionID = 'ses_root') =>
  kilocode('message.updated', { info: { id, sessionID, role, time: { created: 1 } } })
const part = (messageID: string, id: string, more: object) =>
  kilocode('message.part.updated', { part: { id, sessionID: 'ses_root', messageID, ...more } })
const text = (messageID: string, id: string, said: string) => part(messageID, id, { type: 'text', text: said })
const delta = (messageID: string, partID: string, more: string) =>
  kilocode('message.part.delta', { sessionID: 'ses_root', messageID, partID, field: 'text', delta: more })
const tool = (status: string, more: object = {}) =>
  part('m', 'call', { type: 'tool', tool: 'bash', state: { status, input: { command: 'npm test' }, ...more } })

/** What a person sees, as lines, whichever stream it came on. */
function shown(events: Told[], options: { live?: boolean; json?: boolean } = {}): string {
  let output = ''
  const terminal: Terminal = {
    live: options.live ?? true,
    json: options.json ?? false,
    result: (said) => {
      output += said
    },
    note(line) {
      terminal.freshLine()
      output += `${line}\n`
    },
    freshLine() {
      if (output !== '' && !output.endsWith('\n')) output += '\n'
    },
  }
  const print = eventPrinter(terminal)
  for (const [i, told] of events.entries()) print(envelope(told, i))
  return output
}

describe('the text of an agent', () => {
  test('is shown once, as it grows and when it is whole', () => {
    const log = [
      message('m'),
      text('m', 'p', ''),
      delta('m', 'p', 'Hel'),
      delta('m', 'p', 'lo'),
      text('m', 'p', 'Hello'),
    ]
    expect(shown(log)).toBe('Hello')
    expect(shown([...log, text('m', 'p', 'Hello, world')])).toBe('Hello, world')
    expect(shown([...log, text('m', 'p', 'Hell')])).toBe('Hello')
  })

  test('begins a line of its own with each part', () => {
    expect(
      shown([message('m'), text('m', 'p', 'One.'), text('m', 'q', 'Two.'), message('n'), text('n', 'r', 'Three.')]),
    ).toBe('One.\nTwo.\nThree.')
  })

  test('is not that of the user, of thoughts, or of a sub-agent', () => {
    const queued = { executionId, messageId: 'u', partId: 'pu', agentSessionId: 'ses_root', text: 'Mend it' }
    const log = [
      { streamEventType: 'queued' as const, data: queued },
      message('s', 'assistant', 'ses_sub'),
      text('s', 'ps', 'of a sub-agent'),
      delta('s', 'ps', ', growing'),
      message('u', 'user'),
      text('u', 'pu', 'Mend it'),
      message('m'),
      part('m', 'thought', { type: 'reasoning', text: 'Hm' }),
      delta('m', 'thought', 'm'),
      text('m', 'p', 'Done.'),
    ]
    expect(shown(log)).toBe('Done.')
  })

  test('waits for its end where nobody watches', () => {
    expect(shown([message('m'), text('m', 'p', 'Hello')], { live: false })).toBe('')
  })
})

describe('a tool call', () => {
  test('is a line when it runs and a line when it ends, however often that is told', () => {
    const ended = tool('completed', { output: '12 passed\n' })
    expect(shown([tool('pending'), tool('running'), tool('running', { title: 'Tests' }), ended, ended])).toBe(
      '⏵ bash npm test\n✔ bash 12 passed\n',
    )
    expect(shown([tool('running'), tool('error', { error: 'exit code 1' })])).toBe(
      '⏵ bash npm test\n✘ bash exit code 1\n',
    )
  })

  test('does not break into a line of text', () => {
    expect(shown([message('m'), text('m', 'p', 'Running'), tool('running'), text('m', 'q', 'Done')])).toBe(
      'Running\n⏵ bash npm test\nDone',
    )
  })

  test('of a form that nobody expected does no harm', () => {
    const odd = [
      part('m', 'a', { type: 'tool' }),
      part('m', 'b', { type: 'tool', tool: 7, state: { status: 'running', input: 'none' } }),
      part('m', 'c', { type: 'tool', tool: 'x', state: { status: 'completed', output: { lines: 3 } } }),
    ]
    expect(shown(odd)).toBe('⏵ tool \n✔ x \n')
  })
})

describe('what is hostile', () => {
  const anyControl = /[^\P{Cc}\n\t]|\p{Bidi_Control}/u
  const hostile = '\u001b[2J\u009b2J\u001b]0;x\u0007\r\u202e'
  test('does not reach the terminal, wherever it comes from', () => {
    const log: Told[] = [
      message('m'),
      text('m', 'p', hostile),
      delta('m', 'p', hostile),
      part('m', 'c', { type: 'tool', tool: hostile, state: { status: 'running', input: { command: hostile } } }),
      part('m', 'c', { type: 'tool', tool: hostile, state: { status: 'error', error: hostile } }),
      part('m', 'd', { type: 'tool', tool: hostile, state: { status: 'completed', output: hostile } }),
      { streamEventType: 'status', data: { message: hostile } },
      { streamEventType: 'status', data: { message: hostile, level: 'warning' } },
      { streamEventType: 'status', data: { message: hostile, step: 'clone', state: 'failed' } },
      { streamEventType: 'output', data: { content: hostile, source: 'stdout' } },
      { streamEventType: 'error', data: { error: hostile } },
      { streamEventType: 'finalization', data: { kind: 'commit', success: true, branch: hostile } },
      { streamEventType: 'finalization', data: { kind: 'push', success: false, message: hostile } },
    ]
    expect(shown(log)).not.toMatch(anyControl)
    const json = shown(log, { json: true })
    expect(json).not.toMatch(anyControl)
    expect(
      json
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(log.map(envelope))
  })
})

describe('the steps of a start', () => {
  test('are a line each, with their time, when they are over', () => {
    const step = (state: string, more: object = {}): Told => ({
      streamEventType: 'status',
      data: { message: 'Cloning acme/widgets', step: 'clone', state, ...more },
    })
    expect(shown([step('running'), step('ok', { durationMs: 1_234 })])).toBe('· clone 1.2 s\n')
    expect(shown([step('running'), step('failed', { durationMs: 5 })])).toBe('· clone failed: Cloning acme/widgets\n')
  })
})
