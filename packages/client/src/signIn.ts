/**
 * Signing in and out on the page: the server keeps a cookie in the browser, which its own pages alone can use. A refusal
 * is a `CorralCallError` like any other.
 */
import { z } from 'zod'
import { fetchJson } from './calls.ts'

export type Person = { userId: string; name: string; email: string }

export type SignIn = {
  /** Who is signed in; null is nobody. */
  who(): Promise<Person | null>
  withPassword(given: { email: string; password: string }): Promise<void>
  out(): Promise<void>
  /** Ends all other sign-ins of this person. */
  changePassword(given: { currentPassword: string; newPassword: string }): Promise<void>
}

const whoSchema = z.object({ user: z.object({ id: z.string(), name: z.string(), email: z.string() }) }).nullable()

export function createSignIn(url: string): SignIn {
  const post = async (path: string, body: object): Promise<void> => {
    const headers = { 'content-type': 'application/json' }
    await fetchJson(`${url}/api/auth${path}`, { method: 'POST', headers, body: JSON.stringify(body) }, z.unknown())
  }
  return {
    async who() {
      const found = await fetchJson(`${url}/api/auth/get-session`, {}, whoSchema)
      return found && { userId: found.user.id, name: found.user.name, email: found.user.email }
    },
    withPassword: ({ email, password }) => post('/sign-in/email', { email, password }),
    out: () => post('/sign-out', {}),
    changePassword: (given) => post('/change-password', { ...given, revokeOtherSessions: true }),
  }
}
