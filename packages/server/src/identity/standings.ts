/**
 * What a live connection rests on, looked at for as long as it lives: its user, the membership in the organization, the
 * key or sign-in that opened it. Whatever ends one of them ends the connection: at once when that was done here, and
 * within a second when it was done elsewhere or by time. All connections are looked at with one statement.
 */
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Credential } from './caller.ts'

export type Standing = { userId: string; organizationId: string | null; credential: Credential }

export type Standings = {
  holds(standing: Standing): Promise<boolean>
  /** `ended` is called once, when it holds no more. Returns the way to stop looking. */
  watch(standing: Standing, ended: () => void): () => void
  /** A user, a membership, a key or a sign-in was taken back just now. */
  changed(): void
}

type Watched = { standing: Standing; ended: () => void }

export function createStandings(options: { pool: Pool; intervalMs: number; logger: Logger }): Standings {
  const { pool, intervalMs, logger } = options
  const watched = new Set<Watched>()
  /** `again`: something changed during the look that is under way, so another follows it at once. */
  let state: 'idle' | 'looking' | 'again' = 'idle'
  let timer: NodeJS.Timeout | undefined

  /** The places, from 0, of those that hold. By the primary keys and the index `member_user_organization`. */
  async function held(standings: readonly Standing[]): Promise<Set<number>> {
    const found = await pool.query<{ place: number }>({
      name: 'held_standings',
      text: `select w.place::int - 1 as place
             from unnest($1::text[], $2::text[], $3::text[], $4::text[])
               with ordinality as w (user_id, organization_id, key_id, sign_in_id, place)
             where exists (select 1 from "user" u where u.id = w.user_id)
               and (w.organization_id is null or exists (
                 select 1 from member m where m.user_id = w.user_id and m.organization_id = w.organization_id))
               and (w.key_id is null or exists (
                 select 1 from apikey k where k.id = w.key_id and k.reference_id = w.user_id
                   and k.enabled and (k.expires_at is null or k.expires_at > now())))
               and (w.sign_in_id is null or exists (
                 select 1 from auth_session s where s.id = w.sign_in_id and s.user_id = w.user_id
                   and s.expires_at > now()))`,
      values: [
        standings.map(({ userId }) => userId),
        standings.map(({ organizationId }) => organizationId),
        standings.map(({ credential }) => (credential.kind === 'key' ? credential.id : null)),
        standings.map(({ credential }) => (credential.kind === 'sign-in' ? credential.id : null)),
      ],
    })
    return new Set(found.rows.map(({ place }) => place))
  }

  async function look(): Promise<void> {
    const all = [...watched]
    const stand = await held(all.map(({ standing }) => standing))
    for (const [place, one] of all.entries()) {
      // `delete` says whether somebody still wants to know.
      if (!stand.has(place) && watched.delete(one)) one.ended()
    }
  }

  function lookSoon(): void {
    clearTimeout(timer)
    if (watched.size > 0) timer = setTimeout(() => void lookNow(), intervalMs)
  }

  async function lookNow(): Promise<void> {
    clearTimeout(timer)
    if (state !== 'idle') {
      state = 'again'
      return
    }
    do {
      state = 'looking'
      await look().catch((err: unknown) =>
        logger.warn({ err }, 'live connections could not be looked at; trying again'),
      )
    } while (isChanged())
    state = 'idle'
    lookSoon()
  }

  const isChanged = () => state === 'again'

  return {
    holds: async (standing) => (await held([standing])).size === 1,
    watch(standing, ended) {
      const one = { standing, ended }
      watched.add(one)
      if (watched.size === 1 && state === 'idle') lookSoon()
      return () => {
        watched.delete(one)
        if (watched.size === 0) clearTimeout(timer)
      }
    },
    changed() {
      if (watched.size > 0) void lookNow()
    },
  }
}
