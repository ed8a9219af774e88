/**
 * What the gateway needs of a session's secrets: the tokens that its caller has given for its repository. They are opened
 * for the call that needs them, and kept nowhere. The form is that of `sessions/configuration/sealedConfiguration.ts`.
 */
import { z } from 'zod'
import type { Sealing } from '../secrets/sealing.ts'
import type { Grant } from './grants.ts'

const gitTokensSchema = z.object({ githubToken: z.string().optional(), gitToken: z.string().optional() })
export type GitTokens = z.infer<typeof gitTokensSchema>

/** Throws `SealBroken` when it was sealed under another key. */
export type OpenGitTokens = (grant: Pick<Grant, 'sessionId' | 'sealed'>) => GitTokens

export const createOpenGitTokens =
  (sealing: Sealing): OpenGitTokens =>
  ({ sessionId, sealed }) =>
    sealed === null
      ? {}
      : gitTokensSchema.parse(JSON.parse(sealing.open(sealed, { table: 'session_secret', id: sessionId })))
