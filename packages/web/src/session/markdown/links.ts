/** Where a link in what an agent says may lead. What it says is hostile: everything else is shown as text. Pure. */

const protocols = new Set(['http:', 'https:', 'mailto:'])

/** The address if it may be followed; null for scripts, files, addresses of this page and what is no address. */
export function safeAddress(href: string): string | null {
  const url = URL.parse(href.trim())
  return url && protocols.has(url.protocol) ? url.href : null
}

const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' }

/** Characters that markdown writes as entities; those that are not known stay as they are written. */
export function withoutEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,4}));/gi, (written, decimal, hex, name) => {
    if (name !== undefined) return names[String(name).toLowerCase()] ?? written
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
  })
}
