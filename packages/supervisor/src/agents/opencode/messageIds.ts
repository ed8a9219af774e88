/**
 * The ids of user messages inside the agent. Ours are minted when a message is queued, perhaps long before its turn,
 * while Kilo takes a message whose id sorts below earlier ones for one that knows nothing of them (tried with 7.7.2;
 * OpenCode 1.18 goes by time). So the agent gets an id that is minted at delivery and carries ours behind a mark, and
 * everything that comes back is rewritten. Nothing has to be remembered.
 */
import { newMessageId } from '@corral/protocol'

const mark = 'zCorral'
const minted = new RegExp(`msg_[0-9a-f]{12}${mark}([0-9A-Za-z]+)`, 'g')

/** `msg_` + 12 hex of the agent's clock + the mark + what follows `msg_` in ours. */
export const agentMessageId = (messageId: string): string =>
  `${newMessageId().slice(0, 'msg_'.length + 12)}${mark}${tailOf(messageId)}`

/** In JSON as the agent sends it. */
export const toOurIds = (json: string): string => (json.includes(mark) ? json.replace(minted, 'msg_$1') : json)

/** The id under which the agent has our message already, from an earlier attempt. */
export function knownAgentMessageId(json: string, messageId: string): string | undefined {
  for (const [id, tail] of json.matchAll(minted)) if (tail === tailOf(messageId)) return id
  return undefined
}

const tailOf = (messageId: string): string => messageId.slice('msg_'.length)
