/**
 * What a model request says, as far as the scripted model cares. aimock has brought the three wires into one shape
 * before; here the agents' own additions to a prompt are taken off again.
 */
import type { ChatCompletionRequest, ChatMessage } from '@copilotkit/aimock'
import { z } from 'zod'

export type OfferedTool = { name: string; properties: ReadonlyMap<string, { type?: unknown }> }

export type Conversation = {
  model: string
  systemText: string
  /** The text of the last user message that is more than an agent's reminder. */
  lastUserText: string
  /** The tool results since then, oldest first. Their number tells which turn of the scenario is next. */
  toolResults: string[]
  tools: OfferedTool[]
  messageCount: number
  /** Parts of all messages that are no text: images and files. */
  fileCount: number
  /** The length of all messages, for the usage figures. */
  promptLength: number
}

export const readConversation = (request: ChatCompletionRequest): Conversation => {
  const { messages } = request
  const userAt = messages.findLastIndex(
    (message) => message.role === 'user' && withoutReminders(textOf(message)) !== '',
  )
  const user = messages[userAt]
  return {
    model: request.model,
    systemText: messages
      .filter(({ role }) => !['user', 'assistant', 'tool'].includes(role))
      .map(textOf)
      .join('\n'),
    lastUserText: user ? withoutReminders(textOf(user)) : '',
    toolResults: messages
      .slice(userAt + 1)
      .filter(({ role }) => role === 'tool')
      .map(textOf),
    tools: (request.tools ?? []).map(({ function: tool }) => ({
      name: tool.name,
      properties: propertiesOf(tool.parameters),
    })),
    messageCount: messages.length,
    fileCount: messages.flatMap(filesOf).length,
    promptLength: messages.reduce((length, message) => length + textOf(message).length, 0),
  }
}

/** Parts are kept apart by a blank line, so that a part behind a scenario is not read as its next step. */
const textOf = ({ content }: ChatMessage): string => {
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => part.text ?? '').join('\n\n')
}

const filesOf = ({ content }: ChatMessage) =>
  typeof content === 'string' ? [] : (content ?? []).filter(({ type }) => type !== 'text')

/** Reminders, and the old conversation in an agent's request for a summary: a scenario in it has been played. */
const reminders =
  /<(system-reminder|conversation|environment_details|environment_context|user_instructions|INSTRUCTIONS)>[\s\S]*?<\/\1>/g

const withoutReminders = (text: string): string => text.replaceAll(reminders, '\n').trim()

const parameters = z.object({
  properties: z.record(z.string(), z.looseObject({ type: z.unknown().optional() }).catch({})),
})

const propertiesOf = (schema: object | undefined): OfferedTool['properties'] => {
  const parsed = parameters.safeParse(schema)
  return new Map(parsed.success ? Object.entries(parsed.data.properties) : [])
}
