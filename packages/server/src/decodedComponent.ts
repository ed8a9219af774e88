/** A part of an address, decoded; null for what no address holds. */
export function decodedComponent(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded)
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}
