/** What a route of the facade is: what it takes, what it demands, and what does it. The dispatcher does the rest. */
import type { Scope } from '@corral/protocol'
import type { Authenticated } from '../../identity/caller.ts'
import type { Root } from '../../sessions/reads/roots.ts'
import type { Query } from './query.ts'
import type { FacadeCode, RefusalCodes } from './refusal.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export type Call = {
  caller: Authenticated
  request: Request
  query: Query
  /** Of the path's own parts, as `:name` has them. */
  params: ReadonlyMap<string, string>
  /** Breaks the connection: what was begun and cannot be gone on with must not look like a whole. */
  reset(): void
}
export type SessionCall = Call & { root: Root }
/** `root`: the session whose folder the request names; null for all of them. */
export type SelectingCall = Call & { root: Root | null }

type Common = {
  method: Method
  /** Parts that begin with a colon are parameters; `:sessionID` is a session of the caller. */
  path: string
  scope: Scope
  /** Not in the seed's interface; away as a whole with `facade.beyond: false`. */
  beyond?: true
  /** Beside `directory`, which every route takes that says so. */
  parameters?: readonly string[]
  beyondParameters?: readonly string[]
  /** For parameters and folders that the route does not take. */
  selectorCode?: FacadeCode
  refusals?: RefusalCodes
}

export type Route = Common &
  (
    | { on: 'session'; handle(call: SessionCall): Promise<Response> }
    /**
     * On the session whose folder is named, or on all of the caller's. `required`: the code where one must be named unless
     * we go beyond; null where a folder may be named only beyond.
     */
    | { on: 'selection'; required: FacadeCode | null; handle(call: SelectingCall): Promise<Response> }
  )
