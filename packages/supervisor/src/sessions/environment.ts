/**
 * The environment of everything that runs for a session: what the sandbox gives every program, then the session's own
 * variables where they belong, and last the names that nobody else may set.
 */
import type { SessionId } from '@corral/protocol'

/** `home` is the session's `HOME`; `variables` are those that its owner has set. */
export type SessionEnvironment = (home: string, variables?: Record<string, string>) => Record<string, string>

export const sessionEnvironment =
  (shared: Record<string, string>, session: SessionId): SessionEnvironment =>
  (home, variables = {}) => ({
    GIT_TERMINAL_PROMPT: '0',
    ...shared,
    ...variables,
    HOME: home,
    SESSION_HOME: home,
    SESSION_ID: session,
  })
