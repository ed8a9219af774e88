/** An error for people: what happened, why, what to do. */
import { CorralCallError } from '@corral/client'
import { safeText } from './show/safeText.ts'

export class CliError extends Error {
  constructor(what: string, why: string, remedy: string) {
    super(`${what}\n  why:  ${why}\n  what to do:  ${remedy}`)
    this.name = 'CliError'
  }
}

/** What to do about each refusal that a person can do something about. */
const remedies: Record<string, string> = {
  invalid_input: 'change what is named, and run the command again',
  unreachable: 'start the server with "corral up", or check CORRAL_URL',
  unauthorized: 'check CORRAL_API_KEY, or remove it to use the key of this data folder',
  insufficient_scope: 'make a key with that scope: "corral keys create <name> --scope <scope>"',
  operator_required: 'ask an operator: an owner or admin of the organization "corral"',
  role_required: 'ask an admin of the organization; "corral org members <id>" lists them',
  organization_not_found: 'list your organizations with "corral org list"',
  user_not_found: 'list the users with "corral users list"',
  member_not_found: 'list the members with "corral org members <id>"',
  key_not_found: 'list your keys with "corral keys list"',
  already_exists: 'choose another name',
  session_not_found: 'list your sessions with "corral ls"',
  execution_not_found: 'see the executions of the session with "corral show <id>"',
  question_not_found: 'see what is open with "corral asks <id>"',
  permission_not_found: 'see what is open with "corral asks <id>"',
  already_answered: 'nothing; somebody else was first',
  no_longer_open: 'nothing; what asked for it has gone on or has ended',
  delivery_not_found: 'list the callbacks of the session with "corral callbacks list <id>"',
  terminal_not_found: 'open a new one with "corral terminal <id>"',
  sandbox_not_running: 'send the session a message with "corral send <id>", or try again in a moment',
  queue_full: 'wait until a queued message has begun, or stop the session with "corral stop <id>"',
  not_initiated: 'start the session first',
  unavailable: 'try again in a moment; "corral doctor" says what is missing',
  idempotency_mismatch: 'use another client id for another message',
}

/** One text for whatever went wrong; a stack is only for what is a defect of ours. It may quote what others wrote. */
export const explain = (known: unknown): string => safeText(words(known))

function words(known: unknown): string {
  if (known instanceof CliError) return known.message
  if (known instanceof CorralCallError) {
    const details = Array.isArray(known.details)
      ? known.details.map((detail: { path: string; message: string }) => `${detail.path} ${detail.message}`).join('; ')
      : ''
    return [
      known.message,
      details === '' ? `  why:  ${known.reason}` : `  why:  ${details}`,
      ...(remedies[known.reason] ? [`  what to do:  ${remedies[known.reason]}`] : []),
    ].join('\n')
  }
  if (!(known instanceof Error)) return String(known)
  return isSentence(known) ? known.message : (known.stack ?? known.message)
}

/** A plain `Error` is thrown with a sentence for whoever runs this installation; other kinds are nobody's message. */
const isSentence = (error: Error) => Object.getPrototypeOf(error) === Error.prototype && !('code' in error)
