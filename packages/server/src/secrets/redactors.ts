/**
 * Which secrets are known of which session. What is opened in this process is learned before it is given out; of a
 * session that another process opened, they are loaded before its next events are taken. Bounded: what was not used for
 * longest is let go, and loaded again when it is needed.
 */
import type { SessionId } from '@corral/protocol'
import { createRedactor, type Redactor } from './redactor.ts'

export type Redactors = {
  /** Null: nothing to redact. Undefined: not known here. */
  known(session: SessionId): Redactor | null | undefined
  load(session: SessionId): Promise<Redactor | null>
  /** Adds to what is known: an older value may still come out of a program. */
  learn(session: SessionId, secrets: readonly string[]): void
  forget(session: SessionId): void
}

/** Patterns of this many characters at most are kept, about 25 bytes of memory each. */
const mostCharacters = 4 * 1024 * 1024
const mostSessions = 50_000
/** Of one session: what it has now, and as much of what it had before. */
const mostSecretCharacters = 128 * 1024

export function createRedactors(deps: { secretsOf(session: SessionId): Promise<readonly string[]> }): Redactors {
  /** The first was not used for longest. */
  const sessions = new Map<SessionId, { secrets: ReadonlySet<string>; redactor: Redactor | null }>()
  let characters = 0

  function forget(session: SessionId): void {
    characters -= sessions.get(session)?.redactor?.size ?? 0
    sessions.delete(session)
  }

  function keep(session: SessionId, secrets: ReadonlySet<string>): Redactor | null {
    forget(session)
    const redactor = createRedactor(secrets)
    sessions.set(session, { secrets, redactor })
    characters += redactor?.size ?? 0
    for (const oldest of sessions.keys()) {
      if (oldest === session || (characters <= mostCharacters && sessions.size <= mostSessions)) break
      forget(oldest)
    }
    return redactor
  }

  function known(session: SessionId): Redactor | null | undefined {
    const found = sessions.get(session)
    if (!found?.redactor) return found?.redactor
    sessions.delete(session)
    sessions.set(session, found)
    return found.redactor
  }

  return {
    known,
    async load(session) {
      const secrets = await deps.secretsOf(session)
      // Something may have been learned meanwhile.
      return keep(session, newest(sessions.get(session)?.secrets, secrets))
    },
    learn(session, secrets) {
      const before = sessions.get(session)
      if (before && secrets.every((secret) => before.secrets.has(secret))) return
      keep(session, newest(before?.secrets, secrets))
    },
    forget,
  }
}

/** Those of now, and as many of before as there is room for, the newest first to stay. */
function newest(before: ReadonlySet<string> | undefined, now: readonly string[]): Set<string> {
  const all = [...new Set([...now.toReversed(), ...[...(before ?? [])].reverse()])]
  let left = mostSecretCharacters
  const kept = all.filter((secret) => {
    left -= secret.length
    return left >= 0
  })
  return new Set(kept.reverse())
}
