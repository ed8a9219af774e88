/**
 * What the gateway needs of a session's configuration for its MCP servers: the servers, and the variables that their
 * addresses and headers name. Opened for the call that needs them, and kept nowhere.
 */
import { type McpServer, mcpServerSchema } from '@corral/protocol'
import type { Pool } from 'pg'
import { z } from 'zod'
import { sessionUuid } from '../database/sessionUuid.ts'
import type { Envelopes } from '../secrets/envelopes.ts'
import type { Sealing } from '../secrets/sealing.ts'
import type { Grant } from './grants.ts'
import { variablesOf } from './mcpTarget.ts'

export type SessionMcp = { servers: Record<string, McpServer>; variables: Record<string, string> }

/** Throws `SealBroken` when it was sealed under another key. `server`: the one whose variables are needed. */
export type OpenSessionMcp = (grant: Pick<Grant, 'sessionId' | 'sealed'>, server: string) => Promise<SessionMcp>

const sealedSchema = z.object({
  envVars: z.record(z.string(), z.string()).default({}),
  mcpServers: z.record(z.string(), mcpServerSchema).default({}),
})
const envelopeSchema = z.record(z.string(), z.looseObject({ encryptedData: z.string(), encryptedDEK: z.string() }))

export function createOpenSessionMcp(deps: {
  pool: Pool
  sealing: Sealing
  openEnvelope: Envelopes['open'] | null
}): OpenSessionMcp {
  const { pool, sealing, openEnvelope } = deps

  /** Of a name in both collections, the secret wins. One that cannot be opened counts as not there. */
  async function secrets(sessionId: Grant['sessionId'], names: string[]): Promise<Record<string, string>> {
    if (names.length === 0 || !openEnvelope) return {}
    // By session_secret_pkey.
    const { rows } = await pool.query<{ envelopes: unknown }>({
      name: 'gateway_envelopes',
      text: 'select envelopes from session_secret where session_id = $1',
      values: [sessionUuid(sessionId)],
    })
    const envelopes = envelopeSchema.parse(rows[0]?.envelopes ?? {})
    const opened: Record<string, string> = {}
    for (const name of names) {
      const envelope = Object.hasOwn(envelopes, name) ? envelopes[name] : undefined
      const answer = envelope && (await openEnvelope(envelope))
      if (answer?.ok) opened[name] = answer.value
    }
    return opened
  }

  return async ({ sessionId, sealed }, name) => {
    if (sealed === null) return { servers: {}, variables: {} }
    const place = { table: 'session_secret', id: sessionId }
    const { envVars, mcpServers: servers } = sealedSchema.parse(JSON.parse(sealing.open(sealed, place)))
    const server = Object.hasOwn(servers, name) ? servers[name] : undefined
    const names = server && server.type !== 'stdio' ? variablesOf(server) : []
    return { servers, variables: { ...envVars, ...(await secrets(sessionId, names)) } }
  }
}
