/**
 * The interface of the Kilo and OpenCode SDKs over sessions in the cloud, at `/kilo` and `/opencode`: one dispatcher, and
 * one folder per group of routes. Source: 31 (c).
 */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import type { Logger } from 'pino'
import type { Timers } from '../../config.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Log } from '../../log/log.ts'
import type { RepositoryPolicy } from '../../sessions/configuration/repository.ts'
import type { Roots } from '../../sessions/reads/roots.ts'
import type { Recordings } from '../../sessions/recorded/recordings.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { Messages } from '../../sessions/transcript/messages.ts'
import { addressOf } from '../cloud-agent/border.ts'
import { askRoutes } from './asks/routes.ts'
import { suggestionRoutes } from './asks/suggestions.ts'
import { createDispatch } from './dispatch.ts'
import { eventRoutes } from './events/routes.ts'
import { createStreams } from './events/streams.ts'
import { messageRoutes } from './messages/routes.ts'
import { createProjection } from './projection.ts'
import { promptRoutes } from './prompts/routes.ts'
import type { Route } from './route.ts'
import { sessionRoutes } from './sessions/routes.ts'

const facadeBases = ['/kilo', '/opencode'] as const

export type FacadeDependencies = {
  sessions: Sessions
  roots: Roots
  messages: Messages
  recordings: Pick<Recordings, 'share' | 'unshare' | 'shareTokenOf' | 'setTitle'>
  /** Where people reach this server; null: as the request did. */
  publicUrl: string | null
  identity: Pick<Identity, 'authenticate' | 'standings'>
  log: Pick<Log, 'follow' | 'replay' | 'listen' | 'lastSeq'>
  repositories: RepositoryPolicy
  /** A keyed digest, for what clients carry from page to page. */
  digest(content: string): string
  /** So many places of a sandbox were where none should be, and were replaced. */
  placesReplaced(count: number): void
  /** Whether what the seed's interface does not have is offered. */
  beyond: boolean
  timers: Pick<Timers, 'waitedTurnMs'>
  /** What a session has that names no model. */
  defaultModel: string
  version: string
  logger: Logger
}

export type FacadeFace = {
  app: Hono
  /** `<method> <path>` of all that there is, below each base. */
  routes: string[]
  /** Breaks the streams, so that their clients come back. */
  close(): void
}

export function facadeFace(deps: FacadeDependencies): FacadeFace {
  const projection = createProjection({ ...deps, shareTokenOf: deps.recordings.shareTokenOf })
  const streams = createStreams(deps.identity)
  const parts = { ...deps, projection, streams }
  const routes: Route[] = [
    ...sessionRoutes(parts),
    ...messageRoutes(parts),
    ...promptRoutes(parts),
    ...askRoutes(parts),
    ...suggestionRoutes(parts),
    {
      method: 'GET',
      path: '/global/health',
      scope: 'sessions:read',
      beyond: true,
      on: 'selection',
      required: null,
      handle: async () => Response.json({ healthy: true, version: deps.version }),
    },
    ...eventRoutes({ ...parts, onDeleted: deps.sessions.onDeleted }),
  ]
  const dispatch = createDispatch({ ...deps, authenticate: deps.identity.authenticate, routes })
  const app = new Hono()
  for (const base of facadeBases) {
    app.all(`${base}/*`, (c) =>
      dispatch(c.req.raw, pathBelow(base, c.req.url), { address: addressOf(c), reset: resetOf(c) }),
    )
  }
  return { app, routes: routes.map(({ method, path }) => `${method} ${path}`), close: streams.close }
}

/** There is nothing to break where no socket is. */
function resetOf(c: Context): () => void {
  const { outgoing }: Partial<HttpBindings> = c.env ?? {}
  return () => void outgoing?.destroy()
}

/** As it was sent: an encoded slash is no slash. */
const pathBelow = (base: string, url: string) => new URL(url).pathname.slice(base.length)
