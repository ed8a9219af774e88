/**
 * Every agent has its own names for the same tools. A call of a scenario is put into the words of the tools that the
 * request offers: the first known name that is offered, and of each argument the first known name in its schema.
 */
import type { Conversation, OfferedTool } from './conversation.ts'
import type { Call } from './scenario.ts'
import { ScenarioError } from './tokens.ts'

export type WireCall = { name: string; arguments: string }

type Shape = {
  names: [string, ...string[]]
  arguments: Record<string, { names: [string, ...string[]]; value: unknown }>
}

export const callTool = (call: Call, conversation: Conversation): WireCall => {
  if (call.kind === 'tool') return { name: call.name, arguments: JSON.stringify(call.arguments) }
  const shape = shapeOf(call, conversation)
  const tool = offered(shape, call.kind, conversation.tools)
  const named = Object.values(shape.arguments).flatMap(({ names, value }): [string, unknown][] => {
    if (!tool) return [[names[0], value]]
    const name = names.find((candidate) => tool.properties.has(candidate))
    return name === undefined ? [] : [[name, inSchema(value, tool.properties.get(name)?.type)]]
  })
  return { name: tool?.name ?? shape.names[0], arguments: JSON.stringify(Object.fromEntries(named)) }
}

/** With no tools offered at all (a request by hand) the names are those of OpenCode. */
const offered = (shape: Shape, kind: string, tools: OfferedTool[]): OfferedTool | undefined => {
  if (tools.length === 0) return undefined
  for (const name of shape.names) {
    const tool = tools.find((candidate) => candidate.name === name)
    if (tool) return tool
  }
  const names = tools.map(({ name }) => name).join(', ')
  throw new ScenarioError(`this agent offers no tool for "${kind}"; it offers ${names}. Name one: tool <name> {…}`)
}

/** A shell tool that takes the words of a command instead of a line gets a shell and the line. */
const inSchema = (value: unknown, type: unknown): unknown =>
  type === 'array' && typeof value === 'string' ? ['bash', '-lc', value] : value

const shapeOf = (call: Exclude<Call, { kind: 'tool' }>, conversation: Conversation): Shape => {
  const path = (written: string) => ({ names: pathNames, value: absolute(written, conversation.systemText) })
  switch (call.kind) {
    case 'bash':
      return {
        names: ['bash', 'Bash', 'exec_command', 'shell', 'run_shell_command'],
        arguments: {
          command: { names: ['command', 'cmd'], value: call.command },
          description: { names: ['description'], value: `Runs ${call.command.slice(0, 60)}` },
        },
      }
    case 'read':
      return { names: ['read', 'Read', 'read_file'], arguments: { path: path(call.path) } }
    case 'write':
      return {
        names: ['write', 'Write', 'write_file'],
        arguments: { path: path(call.path), content: { names: ['content'], value: call.content } },
      }
    case 'edit':
      return {
        names: ['edit', 'Edit', 'replace'],
        arguments: {
          path: path(call.path),
          before: { names: ['oldString', 'old_string'], value: call.before },
          after: { names: ['newString', 'new_string'], value: call.after },
        },
      }
    case 'ask':
      return {
        names: ['question', 'AskUserQuestion', 'ask_user'],
        arguments: {
          questions: {
            names: ['questions'],
            value: [
              {
                question: call.question,
                header: 'Question',
                multiSelect: false,
                options: call.options.map((label) => ({ label, description: label })),
              },
            ],
          },
        },
      }
    case 'task':
      return {
        names: ['task', 'Task', 'Agent'],
        arguments: {
          description: { names: ['description'], value: call.description },
          prompt: { names: ['prompt'], value: call.prompt },
          agent: { names: ['subagent_type'], value: subagent(conversation) },
        },
      }
  }
}

const pathNames: [string, ...string[]] = ['filePath', 'file_path', 'path', 'absolute_path']

/** Some agents insist on absolute paths; they tell their working directory in the system prompt. */
const absolute = (path: string, systemText: string): string => {
  const directory = /working directory: *(\/\S*)/i.exec(systemText)?.[1]
  return path.startsWith('/') || directory === undefined ? path : `${directory.replace(/\/$/, '')}/${path}`
}

const subagent = ({ tools }: Conversation): string =>
  tools.some(({ name }) => name === 'Task' || name === 'Agent') ? 'general-purpose' : 'general'
