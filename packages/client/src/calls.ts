/** The two ways to ask the server: its procedures and its routes. Both are bounded, and refuse as `CorralCallError`. */
// The types of the procedures are the server's own: the one import against the arrows, and a type only.
import type { AppRouter } from '@corral/server'
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client'
import { z } from 'zod'
import { CorralCallError, callError, unreachable } from './callError.ts'

/** Longer than the server waits for a result that a caller asks it to wait for. */
const answerTimeoutMs = 60_000

export type Calls = TRPCClient<AppRouter>

export function createCalls(url: string, headers: Record<string, string>): Calls {
  const link = httpLink({
    url: `${url}/trpc`,
    headers,
    fetch: (address, init) => fetch(address, { ...init, signal: bounded(init?.signal) }),
  })
  return withCallErrors(createTRPCClient<AppRouter>({ links: [link] }), url)
}

/** tRPC's client is made of functions that are named by the members through which they are reached; so is this. */
function withCallErrors<T extends object>(client: T, url: string): T {
  return new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? withCallErrors(member, url) : member
    },
    async apply(target, self, inputs) {
      if (typeof target !== 'function') throw new TypeError('Only procedures can be called.')
      try {
        return await Reflect.apply(target, self, inputs)
      } catch (error) {
        throw callError(error, url)
      }
    },
  })
}

const problemSchema = z.object({ reason: z.string(), detail: z.string(), details: z.unknown().optional() })
/** As better-auth has it, which answers whoever signs in. */
const signInProblemSchema = z
  .object({ code: z.string(), message: z.string() })
  .transform(({ code, message }) => ({ reason: code.toLowerCase(), detail: `${message}.`, details: undefined }))

export async function fetchJson<Answer>(url: string, init: RequestInit, schema: z.ZodType<Answer>): Promise<Answer> {
  let status: number
  let body: unknown
  try {
    const response = await fetch(url, { ...init, signal: bounded(init.signal) })
    status = response.status
    body = await response.json()
  } catch (error) {
    // Also when something on the way answered that does not speak JSON.
    throw unreachable(url, error)
  }
  if (status < 300) return schema.parse(body)
  const problem = z.union([problemSchema, signInProblemSchema]).safeParse(body)
  if (!problem.success) throw new CorralCallError('internal', `The server answered ${status}.`, { httpStatus: status })
  const { reason, detail, details } = problem.data
  throw new CorralCallError(reason, detail, { httpStatus: status, details })
}

function bounded(signal: AbortSignal | null | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(answerTimeoutMs)
  return signal ? AbortSignal.any([signal, timeout]) : timeout
}
