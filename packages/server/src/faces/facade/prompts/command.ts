/** A command as the SDKs write it, and what the engine makes of it. Source: 31 (c) "Prompts, commands, stop". */
import { commandArguments, commandName } from '@corral/protocol'
import { z } from 'zod'
import { readBody, smallBody } from '../body.ts'
import { FacadeRefusal, type RefusalCodes } from '../refusal.ts'
import { messageID, modelOf, name, type Prompt } from './prompt.ts'

const code = 'KILO_COMMAND_BODY_INVALID'

export const commandRefusals = {
  idempotency_mismatch: 'KILO_COMMAND_ADMISSION_REJECTED',
  invalid_input: 'KILO_COMMAND_ADMISSION_REJECTED',
  not_initiated: 'KILO_COMMAND_ADMISSION_REJECTED',
  queue_full: 'KILO_COMMAND_QUEUE_FULL',
} as const satisfies RefusalCodes

const command = z.strictObject({
  messageID: messageID.optional(),
  command: commandName,
  arguments: commandArguments,
  agent: name(50).optional(),
  /** `<provider>/<model>` */
  model: name(510).optional(),
  variant: name(50).optional(),
  snapshotInitialization: z.literal('wait', 'must be wait').optional(),
  parts: z.array(z.unknown()).optional(),
})

export async function readCommand(request: Request, beyond: boolean): Promise<Prompt> {
  const body = await readBody(request, { maxBytes: smallBody, schema: command, code })
  if (body.parts && body.parts.length > 0) {
    throw new FacadeRefusal('KILO_COMMAND_PARTS_UNSUPPORTED', 'parts: a command takes none; say it in its arguments.')
  }
  return {
    input: {
      command: body.command,
      arguments: body.arguments,
      clientId: body.messageID,
      mode: body.agent,
      model: body.model === undefined ? undefined : modelNamed(body.model, beyond),
      variant: body.variant,
    },
    extras: { messageId: body.messageID },
  }
}

function modelNamed(given: string, beyond: boolean): string {
  const [providerID = '', ...rest] = given.split('/')
  if (rest.length === 0) throw new FacadeRefusal(code, 'model: must be <provider>/<model>.')
  if (!beyond && providerID !== 'kilo') throw new FacadeRefusal(code, 'model: must begin with kilo/.')
  return modelOf({ providerID, modelID: rest.join('/') })
}
