/**
 * Whether a request that carries a sign-in's cookie may come from our own page. A browser says where a request comes
 * from, on every POST by `Origin`; what is no browser and says nothing brought the cookie itself.
 */
export function isSameOrigin(headers: Headers): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin' && site !== 'none') return false
  const origin = headers.get('origin')
  return origin === null || URL.parse(origin)?.host === headers.get('host')
}
