import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEndpointRewriter } from './mcpEndpoint.ts'

const rewriter = createEndpointRewriter((endpoint) => (endpoint.startsWith('/') ? `/door${endpoint}` : null))

async function through(text: string, cuts: number[]): Promise<string> {
  const bytes = Buffer.from(text)
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  async function* chunks() {
    for (const [i, place] of places.slice(1).entries()) yield bytes.subarray(places[i], place)
  }
  const out: Buffer[] = []
  for await (const chunk of rewriter(chunks())) out.push(chunk)
  return Buffer.concat(out).toString()
}

const endpoint = (path: string) => `event: endpoint\ndata: ${path}\n\n`
const message = 'event: message\ndata: {"grüße":"event: endpoint"}\n\n'

test.each([
  ['the place is replaced', endpoint('/messages?s=1') + message, endpoint('/door/messages?s=1') + message],
  ['behind a comment, too', `: hello ü\n\n${endpoint('/m')}`, `: hello ü\n\n${endpoint('/door/m')}`],
  ['one that may not be called stays', endpoint('https://other.example/'), endpoint('https://other.example/')],
  ['only the first is one', endpoint('/a') + endpoint('/b'), endpoint('/door/a') + endpoint('/b')],
  ['a stream without one passes', message + message, message + message],
  ['what ends in the middle passes', 'event: endp', 'event: endp'],
  ['lines may end in CRLF', 'event: endpoint\r\ndata: /m\r\n\r\nrest', 'event: endpoint\r\ndata: /door/m\r\n\r\nrest'],
])('%s, however the stream is cut', async (_what, given, expected) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(200), { maxLength: 8 }), async (cuts) => {
      expect(await through(given, cuts)).toBe(expected)
    }),
    { numRuns: 50 },
  )
})
