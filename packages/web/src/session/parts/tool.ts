/**
 * A use of a tool as it is shown: what it is called, what it is about, and which body it has. Agents and their versions
 * differ, so every member may be absent or something else; what is not known is shown as it came. Pure.
 */
import type { Part } from '@corral/protocol'
import { z } from 'zod'

const members = z.record(z.string(), z.unknown())
const toolSchema = z.looseObject({
  tool: z.string().catch('tool'),
  state: z
    .looseObject({
      status: z.enum(['pending', 'running', 'completed', 'error']).catch('pending'),
      input: members.catch({}),
      output: z.string().optional().catch(undefined),
      error: z.string().optional().catch(undefined),
      title: z.string().optional().catch(undefined),
      metadata: members.catch({}),
      time: z.looseObject({ start: z.number(), end: z.number().optional() }).optional().catch(undefined),
    })
    .catch({ status: 'pending', input: {}, metadata: {} }),
})

const todo = z.looseObject({ content: z.string(), status: z.string().catch('pending') })
export type Todo = { content: string; status: string }

export type ToolBody =
  | { kind: 'terminal'; command: string; output: string }
  | { kind: 'diff'; patch: string }
  | { kind: 'change'; before: string; after: string }
  | { kind: 'text'; text: string }
  | { kind: 'todos'; todos: Todo[] }
  | { kind: 'agent'; agentSessionId: string | null; prompt: string; answer: string }
  | { kind: 'members'; input: string; output: string }

export type ToolUse = {
  tool: string
  /** In a word: what is done. */
  verb: string
  /** What it is done to. */
  about: string
  status: 'pending' | 'running' | 'completed' | 'error'
  error: string | null
  /** Unix milliseconds. */
  start: number | null
  end: number | null
  /** Beside the title, such as `+3 −1` or `exit 1`. */
  note: string
  body: ToolBody
}

/** More is not shown; it is in the export. */
const mostCharacters = 30_000

export function toolUse(part: Part): ToolUse {
  const { tool, state } = toolSchema.parse(part)
  const { input, metadata, output = '', title = '' } = state
  const text = (name: string) => (typeof input[name] === 'string' ? input[name] : '')
  const path = shortPath(text('filePath') || text('path') || text('file'))
  const known = { tool, status: state.status, error: state.error ?? null, start: state.time?.start ?? null }
  const use = (verb: string, about: string, body: ToolBody, note = ''): ToolUse => ({
    ...known,
    ...{ end: state.time?.end ?? null, verb, about: about || title, note, body },
  })
  switch (tool) {
    case 'bash': {
      const live = typeof metadata.output === 'string' ? metadata.output : ''
      const body = { kind: 'terminal', command: text('command'), output: cut(output || live) } as const
      return use('Run', text('description') || firstLine(text('command')), body, exitNote(metadata.exit))
    }
    case 'edit':
    case 'write':
    case 'apply_patch':
    case 'patch': {
      const patch = patchOf(metadata) || text('patchText')
      const verb = tool === 'write' ? 'Write' : 'Edit'
      if (patch) return use(verb, path, { kind: 'diff', patch: cut(patch) }, countNote(patch))
      if (tool === 'edit')
        return use(verb, path, { kind: 'change', before: text('oldString'), after: text('newString') })
      return use(verb, path, { kind: 'text', text: cut(text('content')) }, lines(text('content')))
    }
    case 'read':
      return use('Read', path, { kind: 'text', text: cut(output) })
    case 'list':
      return use('List', path || 'the folder', { kind: 'text', text: cut(output) })
    case 'glob':
    case 'grep':
      return use('Search', text('pattern'), { kind: 'text', text: cut(output) }, matches(metadata))
    case 'webfetch':
      return use('Fetch', text('url'), { kind: 'text', text: cut(output) })
    case 'todowrite':
    case 'todoread': {
      const todos = z.array(todo).safeParse(input.todos ?? metadata.todos).data ?? []
      const done = todos.filter(({ status }) => status === 'completed').length
      return use('Plan', todos.length > 0 ? `${done} of ${todos.length} done` : title, { kind: 'todos', todos })
    }
    case 'task': {
      const session = metadata.sessionId ?? metadata.sessionID
      const agentSessionId = typeof session === 'string' ? session : null
      const body = { kind: 'agent', agentSessionId, prompt: text('prompt'), answer: cut(output) } as const
      return use('Sub-agent', text('description'), body, text('subagent_type'))
    }
    default:
      return use(spoken(tool), title, {
        kind: 'members',
        input: Object.keys(input).length > 0 ? cut(JSON.stringify(input, null, 2)) : '',
        output: cut(output),
      })
  }
}

/** A patch where an agent tells one: whole, or file by file. */
function patchOf({ diff, patch, filediff, files }: Record<string, unknown>): string {
  for (const found of [diff, patch]) if (typeof found === 'string' && found !== '') return found
  const whole = members.safeParse(filediff).data?.patch
  if (typeof whole === 'string') return whole
  const each = z.array(z.looseObject({ patch: z.string() })).safeParse(files).data ?? []
  return each.map((file) => file.patch).join('\n')
}

const exitNote = (exit: unknown) => (typeof exit === 'number' && exit !== 0 ? `exit ${exit}` : '')
const matches = ({ matches: found, count }: Record<string, unknown>) => {
  const number = typeof found === 'number' ? found : count
  return typeof number === 'number' ? `${number} found` : ''
}
const lines = (text: string) => (text === '' ? '' : `${text.trimEnd().split('\n').length} lines`)
const firstLine = (text: string) => text.split('\n', 1)[0] ?? ''
const spoken = (tool: string) => tool.replaceAll(/[_-]+/g, ' ').replace(/^./, (first) => first.toUpperCase())
const cut = (text: string) =>
  text.length > mostCharacters
    ? `${text.slice(0, mostCharacters)}\n… ${text.length - mostCharacters} more characters`
    : text

function countNote(patch: string): string {
  const all = patch.split('\n')
  const added = all.filter((line) => line.startsWith('+') && !line.startsWith('+++')).length
  const removed = all.filter((line) => line.startsWith('-') && !line.startsWith('---')).length
  return `+${added} −${removed}`
}

/** Below the checkout, whose place says nothing. */
function shortPath(path: string): string {
  return path
    .replace(/^\/workspace\/.*?\/sessions\/agent_[0-9a-f-]{36}\//, '')
    .replace(/^\/cloud-agent\/sessions\/[^/]+\//, '')
}
