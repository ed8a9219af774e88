/**
 * The kinds of procedures that a router is made of, each with what it demands of its caller. The order is: who calls,
 * what they may, then the input; so who may not call learns nothing of inputs, and nothing of what they are about.
 */
import { initTRPC } from '@trpc/server'
import type { Logger } from 'pino'
import { authorize, type Demand } from '../../identity/authorize.ts'
import type { Authenticated } from '../../identity/caller.ts'
import { type AdmittedStream, ExecutionFailed } from './executionStream.ts'
import type { IdempotencyKey } from './idempotencyKey.ts'
import { refusalOf } from './refusal.ts'
import { failureFrame, trpcError } from './wire.ts'

export type Context = {
  authenticate: () => Promise<Authenticated>
  idempotencyKey: IdempotencyKey
  /** What a subscription was opened for; null for every other call. */
  stream: AdmittedStream | null
}

export type Procedures = ReturnType<typeof createProcedures>

export function createProcedures({ logger }: { logger: Logger }) {
  const t = initTRPC
    .context<Context>()
    .meta<Demand>()
    .create({
      isDev: false,
      sse: { ping: { enabled: true, intervalMs: 15_000 }, client: { reconnectAfterInactivityMs: 45_000 } },
      errorFormatter: ({ error, path, input }) =>
        error.cause instanceof ExecutionFailed
          ? failureFrame(error.cause, path)
          : trpcError(refusalOf(error, { logger, path }), { path, input }),
    })

  const demanding = (demand: Demand) =>
    t.procedure.meta(demand).use(async ({ ctx, next }) => {
      const caller = await ctx.authenticate()
      authorize(caller, demand)
      return next({ ctx: { caller } })
    })

  return {
    router: t.router,
    /** For anybody, without signing in. */
    open: t.procedure,
    /** Looks at sessions and changes nothing. */
    reads: demanding({ scope: 'sessions:read' }),
    writes: demanding({ scope: 'sessions:write' }),
    /** Writes sessions for a user, asked by one of our own back ends. */
    internal: demanding({ scope: 'sessions:write', internal: true }),
    /** Users, organizations, keys and what is as secret as they are. */
    administers: demanding({ scope: 'admin' }),
  }
}
