/**
 * Members of inputs that the API has and this version does not do anything with yet. They are refused here, in one
 * place: what is taken is done, and nothing is taken and forgotten.
 */
import { CorralError, type PrepareSessionInput, type SendMessageInput } from '@corral/protocol'

type Inputs = { [Member in keyof PrepareSessionInput]?: PrepareSessionInput[Member] | null } & {
  [Member in Exclude<keyof SendMessageInput, keyof PrepareSessionInput>]?: SendMessageInput[Member]
}

/** Whether this value of a member asks for what is not there. Its plain or empty value asks for nothing. */
const unbuilt = {
  attachments: (input) => some(input.attachments),
} satisfies { [Member in keyof Inputs]: (input: Inputs) => boolean }

export function refuseUnbuilt(input: Inputs): void {
  for (const [member, asksForIt] of Object.entries(unbuilt)) {
    if (!asksForIt(input)) continue
    throw new CorralError('not_implemented', {
      sentence: `This version of Corral cannot do what "${member}" asks for; leave it out.`,
      details: [{ path: member, message: 'is not supported yet' }],
    })
  }
}

const isGiven = <Value>(value: Value): value is NonNullable<Value> => value !== undefined && value !== null
const some = (members: object | null | undefined) => isGiven(members) && Object.keys(members).length > 0
