/** What stands behind the gateway's socket in tests: the scripted model, byte for byte. */
import { connect, createServer } from 'node:net'

export async function startGateway(socketPath: string, port: number): Promise<{ close(): void }> {
  const server = createServer((incoming) => {
    const outgoing = connect(port, '127.0.0.1')
    incoming.pipe(outgoing).pipe(incoming)
    incoming.on('error', () => outgoing.destroy())
    outgoing.on('error', () => incoming.destroy())
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return { close: () => server.close() }
}
