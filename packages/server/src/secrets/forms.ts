/**
 * The forms in which a secret may come out of a program again: as it is, trimmed, in base64 at each of its three offsets
 * (both alphabets), in a URL, inside a JSON string. Line breaks are left out: they are looked past, see `matcher.ts`.
 */

/** What is shorter cannot be told from other text, so it is not redacted. */
export const leastSecretLength = 8

export const withoutLineBreaks = (text: string): string => (/[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, '') : text)

/** Each at least 8 characters long; none when the secret itself is shorter. */
export function formsOf(secret: string): string[] {
  const value = secret.toWellFormed()
  const trimmed = value.trim()
  const url = encodeURIComponent(trimmed)
  const json = JSON.stringify(trimmed).slice(1, -1)
  const forms = [
    trimmed,
    url,
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    url.replaceAll('%20', '+'),
    json,
    json.replaceAll('/', '\\/'),
  ]
  if (withoutLineBreaks(trimmed).length < leastSecretLength) return []
  for (const offset of [0, 1, 2]) {
    const inner = base64At(trimmed, offset)
    forms.push(inner, inner.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return [...new Set(forms.map(withoutLineBreaks))].filter((form) => form.length >= leastSecretLength)
}

/** The characters of base64 that depend on the text alone, when `offset` (mod 3) bytes come before it. */
function base64At(text: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)])
  return bytes.toString('base64').slice(Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6))
}
