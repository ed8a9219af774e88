/**
 * Signing in for the page: better-auth's own routes, of which those are open that we need, and two of ours. All others
 * are closed, since they would go round our roles, scopes and audit log. The cookie counts on our own origin alone.
 */
import { CorralError, firstSignInInput, invalidInput, type SignInWays } from '@corral/protocol'
import { type Auth, clientAddressHeader } from './auth.ts'
import type { FirstSignIn } from './firstSignIn.ts'
import { isSameOrigin } from './sameOrigin.ts'

export const signInPath = '/api/auth'

const open = ['POST /sign-in/email', 'POST /sign-out', 'GET /get-session', 'POST /change-password']
const openWithGithub = ['POST /sign-in/social', 'GET /callback/github']
/** Reached by a link of GitHub's page; a cookie of ours, which the way there began with, is what it proves itself by. */
const fromElsewhere = new Set(['GET /callback/github'])

export type SignIn = {
  /** Who is signed in by the cookie of these headers. It reads only, so it never lengthens the sign-in. */
  find(headers: Headers): Promise<{ id: string; userId: string } | null>
  /** Answers a request below `signInPath`; null for what is not open. */
  handle(request: Request, address: string | null): Promise<Response | null>
  /** What the link of the first sign-in proves itself by; null when there is no such link any more. */
  firstToken(): Promise<string | null>
}

/** `changed`: a sign-in was taken back, perhaps. */
export function createSignIn(deps: { auth: Auth; first: FirstSignIn; github: boolean; changed(): void }): SignIn {
  const { auth, first, github, changed } = deps
  const isOpen = new Set(github ? [...open, ...openWithGithub] : open)

  const ours: Record<string, (request: Request, address: string | null) => Promise<unknown>> = {
    'GET /ways': async () => ({ github, first: (await first.token()) !== null }) satisfies SignInWays,
    async 'POST /first'(request, address) {
      const input = firstSignInInput.safeParse(await jsonOf(request))
      if (!input.success) {
        const [wrong] = input.error.issues
        throw invalidInput(wrong?.path.join('.') || 'input', wrong?.message ?? 'is not valid')
      }
      await first.use(input.data, address)
      return { success: true }
    },
  }

  return {
    firstToken: first.token,

    async find(headers) {
      if (!headers.has('cookie') || !isSameOrigin(headers)) return null
      const found = await auth.api.getSession({ headers, query: { disableRefresh: true } })
      return found && { id: found.session.id, userId: found.session.userId }
    },

    async handle(request, address) {
      const path = new URL(request.url).pathname.slice(signInPath.length)
      const route = `${request.method} ${path}`
      const own = ours[route]
      if (!own && !isOpen.has(route)) return null
      if (!fromElsewhere.has(route) && !isSameOrigin(request.headers)) {
        throw new CorralError('unauthorized', {
          sentence: 'Pages of another origin may not sign anybody in or out here.',
        })
      }
      if (own) return Response.json(await own(request, address))
      const headers = new Headers(request.headers)
      // Only what we have seen ourselves counts as the address, for the limit of tries and for the audit log.
      if (address === null) headers.delete(clientAddressHeader)
      else headers.set(clientAddressHeader, address)
      const response = await auth.handler(new Request(request, { headers }))
      if (request.method === 'POST') changed()
      return response
    },
  }
}

async function jsonOf(request: Request): Promise<unknown> {
  try {
    return await request.json()
  } catch (error) {
    if (error instanceof SyntaxError) throw invalidInput('request', 'is not valid JSON')
    throw error
  }
}
