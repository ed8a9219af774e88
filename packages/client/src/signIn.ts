/**
 * Signing in and out on the page: the server keeps a cookie in the browser, which its own pages alone can use. A refusal
 * is a `CorralCallError` like any other.
 */
import { type FirstSignInInput, type SignInWays, signInWaysSchema } from '@corral/protocol'
import { z } from 'zod'
import { fetchJson } from './calls.ts'

export type Person = { userId: string; name: string; email: string }

export type SignIn = {
  /** Who is signed in; null is nobody. */
  who(): Promise<Person | null>
  withPassword(given: { email: string; password: string }): Promise<void>
  /** Where GitHub asks the person; it leads back to `next`, or to `onError` with `?error=`. Both are paths of ours. */
  githubAddress(ways: { next: string; onError: string }): Promise<string>
  /** How one can sign in here. */
  ways(): Promise<SignInWays>
  /** Gives the operator a password, by the link that the server printed; signing in is the next step. */
  first(input: FirstSignInInput): Promise<void>
  out(): Promise<void>
  /** Ends all other sign-ins of this person. */
  changePassword(given: { currentPassword: string; newPassword: string }): Promise<void>
}

const whoSchema = z.object({ user: z.object({ id: z.string(), name: z.string(), email: z.string() }) }).nullable()

export function createSignIn(url: string): SignIn {
  const ask = <Answer>(path: string, body: object, schema: z.ZodType<Answer>): Promise<Answer> => {
    const headers = { 'content-type': 'application/json' }
    return fetchJson(`${url}/api/auth${path}`, { method: 'POST', headers, body: JSON.stringify(body) }, schema)
  }
  const post = async (path: string, body: object): Promise<void> => void (await ask(path, body, z.unknown()))
  return {
    async who() {
      const found = await fetchJson(`${url}/api/auth/get-session`, {}, whoSchema)
      return found && { userId: found.user.id, name: found.user.name, email: found.user.email }
    },
    withPassword: ({ email, password }) => post('/sign-in/email', { email, password }),
    async githubAddress({ next, onError }) {
      const body = { provider: 'github', callbackURL: next, errorCallbackURL: onError, disableRedirect: true }
      return (await ask('/sign-in/social', body, z.object({ url: z.string() }))).url
    },
    ways: () => fetchJson(`${url}/api/auth/ways`, {}, signInWaysSchema),
    first: (input) => post('/first', input),
    out: () => post('/sign-out', {}),
    changePassword: (given) => post('/change-password', { ...given, revokeOtherSessions: true }),
  }
}
