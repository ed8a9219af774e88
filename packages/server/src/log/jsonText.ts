/**
 * The text of JSON as the log stores it. PostgreSQL, and what reads after it, is not to meet U+0000: it becomes U+FFFD
 * in every producer. Escapes are read from left to right, so an escaped backslash before `u0000` stays what it is.
 */
export function withoutNul(json: string): string {
  if (!json.includes('\\u0000')) return json
  return json.replace(/\\(?:u0000|.)/g, (escaped) => (escaped === '\\u0000' ? '\ufffd' : escaped))
}
