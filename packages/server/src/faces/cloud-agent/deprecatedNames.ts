/**
 * The four deprecated names: each admits like the calls that took its place, and then streams that one execution. tRPC
 * answers a refused subscription with 200 and an error frame, so all that may be refused is done in front of it, and a
 * refusal is an HTTP status. A reconnect names its place and never begins anything. Source: 30-cloud-agent-api §7.
 */
import {
  type Ack,
  CorralError,
  initiateFromKilocodeSessionInput,
  initiateSessionAsyncInput,
  invalidInput,
  namedSession,
  prepareSessionInput,
  sendMessageStreamInput,
} from '@corral/protocol'
import { authorize } from '../../identity/authorize.ts'
import type { Authenticated, Caller } from '../../identity/caller.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { type AdmittedStream, type Place, readPlace } from './executionStream.ts'
import { type IdempotencyKey, withClientId } from './idempotencyKey.ts'
import { parseInput } from './refusal.ts'

type Admissions = Pick<Sessions, 'start' | 'startPushed' | 'send' | 'initiate' | 'access' | 'progress'>
type Admit = (sessions: Admissions, caller: Caller, input: unknown, key: IdempotencyKey) => Promise<Ack>

const admissions = {
  initiateSessionStream: (sessions, caller, input, key) =>
    sessions.start(caller, withClientId(parseInput(prepareSessionInput, input), key)),
  initiateSessionAsync: (sessions, caller, input, key) =>
    sessions.start(caller, withClientId(parseInput(initiateSessionAsyncInput, input), key)),
  sendMessageStream(sessions, caller, input, key) {
    const message = withClientId(parseInput(sendMessageStreamInput, input), key)
    const { cloudAgentSessionId: _, sessionId: __, ...said } = message
    return sessions.send(caller, namedSession(message), said)
  },
  async initiateFromKilocodeSession(sessions, caller, input) {
    const parsed = parseInput(initiateFromKilocodeSessionInput, input)
    if ('kiloSessionId' in parsed) {
      const { kiloSessionId, ...configuration } = parsed
      return sessions.startPushed(caller, kiloSessionId, configuration)
    }
    const { kilocodeOrganizationId, githubToken } = parsed
    return sessions.initiate(caller, namedSession(parsed), { kilocodeOrganizationId, githubToken })
  },
} satisfies Record<string, Admit>

export type DeprecatedName = keyof typeof admissions
export const deprecatedNames = Object.keys(admissions) as DeprecatedName[]

export type StreamCall = {
  name: DeprecatedName
  search: URLSearchParams
  lastEventId: string | undefined
  idempotencyKey: string | null
}

/** Who calls is known already. Throws the refusals of the call that the name stands for. */
export async function admitStream(
  sessions: Admissions,
  caller: Authenticated,
  call: StreamCall,
): Promise<AdmittedStream> {
  authorize(caller, { scope: 'sessions:write' })
  authorize(caller, { scope: 'sessions:read' })
  if (call.search.has('batch')) throw invalidInput('batch', 'is not for streams; open one stream with one request')
  const { lastEventId, ...input } = inputOf(call)
  const place =
    lastEventId === undefined
      ? await begun(sessions, await admissions[call.name](sessions, caller, input, oneCall(call)))
      : continued(lastEventId)
  const { organizationId } = await sessions.access(caller, place.sessionId)
  if (!(await sessions.progress(place.sessionId, place.executionId))) throw new CorralError('execution_not_found')
  return { place, standing: { userId: caller.userId, organizationId, credential: caller.proof.credential } }
}

const oneCall = ({ idempotencyKey }: StreamCall): IdempotencyKey => ({ value: idempotencyKey, calls: 1 })

function continued(lastEventId: string): Place {
  const place = readPlace(lastEventId)
  if (!place) throw invalidInput('Last-Event-ID', 'is not the id of an event of such a stream')
  return place
}

/** The first execution is followed from the session's beginning, so its preparation is seen. */
async function begun(sessions: Admissions, { cloudAgentSessionId: sessionId, executionId }: Ack): Promise<Place> {
  const progress = await sessions.progress(sessionId, executionId)
  return { sessionId, executionId, after: progress && !progress.isFirst ? progress.queuedSeq - 1 : 0 }
}

/** As it travels in the URL. Clients of tRPC put the last id that they have seen into it; browsers into a header. */
function inputOf({ search, lastEventId }: StreamCall): Record<string, unknown> & { lastEventId?: string } {
  const input = parseJson(search.get('input') ?? '{}')
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalidInput('input', 'must be an object')
  }
  const inside = 'lastEventId' in input ? input.lastEventId : undefined
  const given = lastEventId ?? search.get('lastEventId') ?? search.get('Last-Event-Id') ?? inside
  if (given === undefined) return { ...input, lastEventId: undefined }
  if (typeof given !== 'string') throw invalidInput('lastEventId', 'must be text')
  return { ...input, lastEventId: given }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw invalidInput('input', 'is not valid JSON')
    throw error
  }
}
