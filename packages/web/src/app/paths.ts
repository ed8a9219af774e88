/** The page's own addresses. */
export const sessionAddress = (sessionId: string) => `/cloud/chat?sessionId=${encodeURIComponent(sessionId)}`

/** Signing in, and then on to `next`. */
export const signInAddress = (next: string) => (next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`)

/** Where to go after signing in: an address of ours, whatever the link said. */
export function nextAddress(search: string, origin = location.origin): string {
  const next = new URLSearchParams(search).get('next') ?? '/'
  const url = URL.parse(next, origin)
  const isOurs = url?.origin === origin && /^\/(?!\/)/.test(url.pathname) && next.startsWith('/')
  return isOurs ? url.pathname + url.search + url.hash : '/'
}
