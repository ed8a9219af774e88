/** A prompt as the SDKs write it, and what the engine makes of it. Source: 31 (c) "Prompts, commands, stop". */
import { attachmentSchema, type EditorContext, editorContextSchema, limits } from '@corral/protocol'
import { z } from 'zod'
import type { MessageExtras, Sessions } from '../../../sessions/sessions.ts'
import { promptBody, readBody, smallBody, tooLarge } from '../body.ts'
import { providerId } from '../projection.ts'
import { FacadeRefusal, type RefusalCodes } from '../refusal.ts'
import { type FilePart, readFiles } from './files.ts'

const code = 'KILO_BASIC_PROMPT_UNSUPPORTED'

export type Prompt = { input: Parameters<Sessions['send']>[2]; extras: MessageExtras }

export const promptRefusals = {
  idempotency_mismatch: 'KILO_PROMPT_ADMISSION_REJECTED',
  invalid_input: 'KILO_PROMPT_ADMISSION_REJECTED',
  not_initiated: 'KILO_PROMPT_ADMISSION_REJECTED',
} as const satisfies RefusalCodes

const text = (max: number) => z.string().max(max, `must have at most ${max} characters`)
export const name = (max: number) => text(max).min(1, 'must not be empty')

/** Agents rewrite ids of messages as a whole, so there are no characters in them but these. */
export const messageID = z
  .string()
  .regex(/^msg_[0-9A-Za-z]{1,60}$/, 'must be msg_ followed by at most 60 letters and digits')
const partID = z.string().regex(/^prt_[0-9A-Za-z]{1,60}$/, 'must be prt_ followed by at most 60 letters and digits')
const words = z.string().min(1, 'must not be empty')
const fileName = attachmentSchema.shape.filename

const textType = z.literal('text', 'only text is supported')
const seedParts = z.array(z.strictObject({ type: textType, text: words })).min(1, 'must have at least one part')
const textPart = z.strictObject({ type: z.literal('text'), text: words, id: partID.optional() })
const filePart = z.strictObject({
  type: z.literal('file'),
  mime: name(255),
  url: z.string(),
  filename: fileName.optional(),
  id: partID.optional(),
  source: z.unknown().optional(),
})
const parts = z
  .array(
    z.discriminatedUnion('type', [textPart, filePart], {
      error: 'only parts of type text and file are supported',
    }),
  )
  .min(1, 'must have at least one part')

const seedPrompt = z.strictObject({ messageID: messageID.optional(), parts: seedParts })
const prompt = z.strictObject({
  messageID: messageID.optional(),
  parts,
  agent: name(50).optional(),
  model: z.strictObject({ providerID: name(255), modelID: name(255) }).optional(),
  variant: name(50).optional(),
  system: text(10_000).optional(),
  /** Messages are admitted before anything is prepared; waiting is all that there is. */
  snapshotInitialization: z.literal('wait', 'must be wait').optional(),
  editorContext: editorContextSchema.optional(),
})

/** `directory`: the session's virtual folder. */
export async function readPrompt(request: Request, directory: string, beyond: boolean): Promise<Prompt> {
  const body: z.infer<typeof prompt> = await readBody(request, {
    maxBytes: beyond ? promptBody : smallBody,
    schema: beyond ? prompt : seedPrompt,
    code,
  })
  const fileParts = body.parts.filter(isFile)
  // It is for files that a body may be so large.
  if (fileParts.length === 0 && JSON.stringify(body).length > smallBody) throw tooLarge(smallBody)
  const texts = body.parts.filter((part) => part.type === 'text')
  const joined = texts.map((part) => part.text).join('\n\n')
  if (joined.length > limits.promptCharacters) {
    throw new FacadeRefusal(code, `parts: must have at most ${limits.promptCharacters} characters together.`)
  }
  const { attachments, contents, workspaceFiles } = readFiles(fileParts, directory)
  return {
    input: {
      prompt: joined.toWellFormed().replaceAll('\0', '\uFFFD'),
      clientId: body.messageID,
      mode: body.agent,
      model: body.model && modelOf(body.model),
      variant: body.variant,
      appendSystemPrompt: body.system,
      ...(attachments.length > 0 && { attachments }),
    },
    extras: {
      ...{ messageId: body.messageID, partId: texts[0]?.id },
      ...{ contents, workspaceFiles, editorContext: body.editorContext && contextOf(body.editorContext, directory) },
    },
  }
}

/** Paths below the virtual folder become those of the workspace. */
function contextOf({ shell, activeFile, visibleFiles, openTabs }: EditorContext, directory: string): EditorContext {
  const relative = (path: string) => (path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path)
  return {
    ...(shell !== undefined && { shell }),
    ...(activeFile !== undefined && { activeFile: relative(activeFile) }),
    ...(visibleFiles && { visibleFiles: visibleFiles.map(relative) }),
    ...(openTabs && { openTabs: openTabs.map(relative) }),
  }
}

const isFile = (part: { type: string }): part is FilePart & { type: 'file' } => part.type === 'file'

/** Two names stand for the gateway, which knows every model by its own; any other is the beginning of such a name. */
export const modelOf = ({ providerID, modelID }: { providerID: string; modelID: string }): string =>
  providerID === 'kilo' || providerID === providerId ? modelID : `${providerID}/${modelID}`
