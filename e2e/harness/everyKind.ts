/**
 * A conversation with every kind of part that OpenCode knows, tools in each of their states, as it is pushed; and the
 * messages that an import of its export must have. What no import takes is among it: counts below zero, and leftovers.
 */
import { type AgentSessionId, newMessageId, newPartId } from '@corral/protocol'
import type { AssistantMessage, Part, ToolState, UserMessage } from '@opencode-ai/sdk/v2/client'

type Kind = Part['type']
/** Without what says where it is. */
type Content<K extends Kind> = Omit<Extract<Part, { type: K }>, 'id' | 'sessionID' | 'messageID' | 'type'>

const time = { start: 1_700_000_000_000, end: 1_700_000_001_000 }
const tokens = { input: 12, output: 0, reasoning: 0, cache: { read: 0, write: 0 } }
const wrongTokens = { ...tokens, output: -3, cache: { read: -1, write: 0 } }

const states: ToolState[] = [
  { status: 'pending', input: {}, raw: '{"command":' },
  { status: 'running', input: { command: 'sleep 9' }, title: 'Sleep', metadata: { output: '' }, time: { start: 1 } },
  { status: 'completed', input: { command: 'ls' }, output: 'a.ts\n', title: 'List', metadata: { exit: 0 }, time },
  { status: 'error', input: { command: 'false' }, error: 'It failed.', time },
]

const contents = {
  text: [{ text: 'Look at @a.ts with @general' }],
  file: [
    {
      ...{ mime: 'text/plain', filename: 'a.ts', url: 'data:text/plain;base64,aGk=' },
      source: { type: 'file', path: 'a.ts', text: { value: '@a.ts', start: 8, end: 13 } },
    },
  ],
  agent: [{ name: 'general', source: { value: '@general', start: 19, end: 27 } }],
  subtask: [{ prompt: 'Count the files', description: 'Count', agent: 'general', command: 'count' }],
  compaction: [{ auto: true }],
  'step-start': [{ snapshot: 'a'.repeat(40) }],
  reasoning: [{ text: 'I think.', time, metadata: { demo: { signature: 'x' } } }],
  tool: states.map((state, i) => ({ callID: `call_${i}`, tool: 'bash', state })),
  snapshot: [{ snapshot: 'b'.repeat(40) }],
  patch: [{ hash: 'c'.repeat(40), files: ['/home/alice/widgets/a.ts'] }],
  retry: [
    {
      attempt: 1,
      error: { name: 'APIError', data: { message: 'Too many requests', statusCode: 429, isRetryable: true } },
      time: { created: time.start },
    },
  ],
  'step-finish': [{ reason: 'stop', snapshot: 'd'.repeat(40), cost: 0.01, tokens }],
} satisfies { [K in Kind]: Content<K>[] }

const ofUsers: string[] = ['text', 'file', 'agent', 'subtask', 'compaction'] satisfies Kind[]

export function everyKind(sessionID: AgentSessionId) {
  const [asked = '', answered = ''] = inOrder(newMessageId, 2)
  const said = { created: time.start, completed: time.end }
  const user: UserMessage = {
    ...{ id: asked, sessionID, role: 'user', time: { created: time.start } },
    ...{ agent: 'build', model: { providerID: 'demo', modelID: 'demo' } },
  }
  const assistant: AssistantMessage = {
    ...{ id: answered, sessionID, role: 'assistant', time: said, parentID: user.id, finish: 'stop' },
    ...{ providerID: 'demo', modelID: 'demo', mode: 'build', agent: 'build', cost: 0.01, tokens },
    path: { cwd: '/home/alice/widgets', root: '/home/alice/widgets' },
  }
  const all = Object.entries(contents).flatMap(([type, ofKind]) => ofKind.map((content) => ({ type, ...content })))
  const ids = inOrder(newPartId, all.length)
  const parts = all.map((content, i) => {
    const messageID = ofUsers.includes(content.type) ? asked : answered
    return { id: ids[i] ?? '', sessionID, messageID, ...content }
  })
  const leftovers = [
    { id: newPartId(), messageID: answered },
    {
      ...{ id: newPartId(), messageID: answered, type: 'text', text: 'Initializing…', synthetic: true },
      metadata: { 'kilocode.lifecycle': 'transient' },
    },
    { id: newPartId(), messageID: newMessageId(), type: 'text', text: 'Of a message that never came' },
  ]
  const wrong = (value: object) => ('tokens' in value ? { ...value, tokens: wrongTokens } : value)
  const told = { id: sessionID, title: 'Every kind', time: { created: time.start, updated: time.end } }
  return {
    items: [
      { type: 'session', data: { ...told, slug: 'every-kind', projectID: 'p', directory: '/', version: '1.0.0' } },
      ...[user, wrong(assistant)].map((data) => ({ type: 'message', data })),
      ...[...parts.map(wrong), ...leftovers].map((data) => ({ type: 'part', data })),
    ],
    expected: [user, assistant].map((info) => ({
      info,
      parts: parts.filter(({ messageID }) => messageID === info.id),
    })),
  }
}

/** An agent has what it imports in the order of their ids, which those of one millisecond do not keep. */
const inOrder = (newId: () => string, count: number): string[] => Array.from({ length: count }, newId).toSorted()
