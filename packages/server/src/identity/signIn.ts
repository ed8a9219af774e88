/**
 * Signing in for the page: better-auth's own routes, of which those are open that we need. All others are closed, since
 * they would go round our roles, scopes and audit log. The cookie counts on our own origin alone.
 */
import { CorralError } from '@corral/protocol'
import { type Auth, clientAddressHeader } from './auth.ts'
import { isSameOrigin } from './sameOrigin.ts'

export const signInPath = '/api/auth'

const open = new Set(['POST /sign-in/email', 'POST /sign-out', 'GET /get-session', 'POST /change-password'])

export type SignIn = {
  /** Who is signed in by the cookie of these headers. It reads only, so it never lengthens the sign-in. */
  find(headers: Headers): Promise<{ id: string; userId: string } | null>
  /** Answers a request below `signInPath`; null for what is not open. */
  handle(request: Request, address: string | null): Promise<Response | null>
}

/** `changed`: a sign-in was taken back, perhaps. */
export function createSignIn(deps: { auth: Auth; changed(): void }): SignIn {
  const { auth, changed } = deps
  return {
    async find(headers) {
      if (!headers.has('cookie') || !isSameOrigin(headers)) return null
      const found = await auth.api.getSession({ headers, query: { disableRefresh: true } })
      return found && { id: found.session.id, userId: found.session.userId }
    },

    async handle(request, address) {
      const path = new URL(request.url).pathname.slice(signInPath.length)
      if (!open.has(`${request.method} ${path}`)) return null
      if (!isSameOrigin(request.headers)) {
        throw new CorralError('unauthorized', {
          sentence: 'Pages of another origin may not sign anybody in or out here.',
        })
      }
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
