/** Which sessions are conversations of their own that run here. Said as the indexes `session_root…` say it. */
import { sql } from 'drizzle-orm'

export const isRoot = sql`"session"."state" in ('prepared', 'open')
  and "session"."agent_kind" <> 'external' and "session"."parent_agent_session_id" is null`
