/**
 * What a client says first on a connection: the name that it asks for in TLS, or that it speaks something else.
 * Invariant: what was read is put back, so the server behind sees every byte.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { getExtensionData, readTlsClientHello } from 'read-tls-client-hello'

/** `serverName` is null where TLS names none, as for an address, or where its first message is none. */
export type FirstWords = { speaks: 'tls'; serverName: string | null } | { speaks: 'other' }

const tlsHandshake = 0x16
const helloMs = 10_000

/** Rejects when the connection ends first, or is silent within `silenceMs`. */
export async function firstWords(client: Socket, silenceMs: number): Promise<FirstWords> {
  const first = await firstBytes(client, silenceMs)
  client.unshift(first)
  if (first[0] !== tlsHandshake) return { speaks: 'other' }
  const late = setTimeout(() => client.destroy(), helloMs)
  try {
    const hello = await readTlsClientHello(client)
    return { speaks: 'tls', serverName: getExtensionData(hello, 'server_name')?.serverName?.toLowerCase() ?? null }
  } catch (error) {
    if (error instanceof Error) return { speaks: 'tls', serverName: null }
    throw error
  } finally {
    clearTimeout(late)
  }
}

async function firstBytes(client: Socket, silenceMs: number): Promise<Buffer> {
  const waiting = new AbortController()
  const silent = setTimeout(() => waiting.abort(), silenceMs)
  client.once('close', () => waiting.abort())
  try {
    for (;;) {
      const bytes: Buffer | null = client.read()
      if (bytes) return bytes
      await once(client, 'readable', { signal: waiting.signal })
      if (client.readableEnded) throw new Error('the client said nothing')
    }
  } finally {
    clearTimeout(silent)
  }
}
