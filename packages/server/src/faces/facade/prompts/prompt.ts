/** A prompt as the SDKs write it, and what the engine makes of it. Source: 31 (c) "Prompts, commands, stop". */
import { limits } from '@corral/protocol'
import { z } from 'zod'
import type { MessageIds, Sessions } from '../../../sessions/sessions.ts'
import { readBody, smallBody } from '../body.ts'
import { providerId } from '../projection.ts'
import { FacadeRefusal, type RefusalCodes } from '../refusal.ts'

export type Prompt = { input: Parameters<Sessions['send']>[2]; ids: MessageIds }

export const promptRefusals = {
  idempotency_mismatch: 'KILO_PROMPT_ADMISSION_REJECTED',
  invalid_input: 'KILO_PROMPT_ADMISSION_REJECTED',
  not_initiated: 'KILO_PROMPT_ADMISSION_REJECTED',
} as const satisfies RefusalCodes

const text = (max: number) => z.string().max(max, `must have at most ${max} characters`)
export const name = (max: number) => text(max).min(1, 'must not be empty')

/** Agents rewrite ids of messages as a whole, so there are no characters in them but these. */
export const messageID = z.string().regex(/^msg_[0-9A-Za-z]{1,60}$/, 'must be msg_ followed by at most 60 letters and digits')
const partID = z.string().regex(/^prt_[0-9A-Za-z]{1,60}$/, 'must be prt_ followed by at most 60 letters and digits')
const words = z.string().min(1, 'must not be empty')

const textType = z.literal('text', 'only text is supported; Corral takes no files or agents in a prompt yet')
const seedParts = z.array(z.strictObject({ type: textType, text: words })).min(1, 'must have at least one part')
const parts = z
  .array(z.strictObject({ type: textType, text: words, id: partID.optional() }))
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
})

export async function readPrompt(request: Request, beyond: boolean): Promise<Prompt> {
  const code = 'KILO_BASIC_PROMPT_UNSUPPORTED'
  const body: z.infer<typeof prompt> = await readBody(request, {
    maxBytes: smallBody,
    schema: beyond ? prompt : seedPrompt,
    code,
  })
  const joined = body.parts.map((part) => part.text).join('\n\n')
  if (joined.length > limits.promptCharacters) {
    throw new FacadeRefusal(code, `parts: must have at most ${limits.promptCharacters} characters together.`)
  }
  return {
    input: {
      prompt: joined.toWellFormed().replaceAll('\0', '\uFFFD'),
      clientId: body.messageID,
      mode: body.agent,
      model: body.model && modelOf(body.model),
      variant: body.variant,
      appendSystemPrompt: body.system,
    },
    ids: { messageId: body.messageID, partId: body.parts[0]?.id },
  }
}

/** Two names stand for the gateway, which knows every model by its own; any other is the beginning of such a name. */
export const modelOf = ({ providerID, modelID }: { providerID: string; modelID: string }): string =>
  providerID === 'kilo' || providerID === providerId ? modelID : `${providerID}/${modelID}`
