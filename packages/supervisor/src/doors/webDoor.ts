/**
 * The web proxy as programs in the sandbox see it: a port on loopback whose connections go, byte for byte, to the gateway's
 * socket, which speaks the proxy's protocol and decides. What the gateway wants a session to be told stands in the head
 * of its first answer on a connection, and is told as a `status` event.
 */
import { connect, createServer, type Socket } from 'node:net'
import { noticeHeader, type SessionId, sessionHeader, sessionIdSchema } from '@corral/protocol'

export type WebDoor = { port: number; close(): void }

/** The head of a refusal is shorter than this, and comes at once. */
const mostHeadBytes = 8 * 1024
const againMs = 100

export async function openWebDoor(options: {
  socketPath: string
  port: number
  /** How long a gateway that is restarted is waited for. */
  repeatForMs: number
  tell(session: SessionId, message: string): void
}): Promise<WebDoor> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (program) => {
    open.add(program)
    program.once('close', () => open.delete(program))
    program.on('error', () => program.destroy())
    program.pause()
    join(program, performance.now() + options.repeatForMs)
  })

  function join(program: Socket, deadline: number): void {
    if (program.destroyed) return
    const gateway = connect({ path: options.socketPath, allowHalfOpen: true })
    let joined = false
    gateway.once('connect', () => {
      joined = true
      gateway.once('data', listen)
      program.pipe(gateway)
      gateway.pipe(program)
    })
    gateway.on('error', () => {
      if (joined || performance.now() > deadline) program.destroy()
      else setTimeout(() => join(program, deadline), againMs)
    })
    program.once('close', () => gateway.destroy())
  }

  function listen(head: Buffer | string): void {
    const notice = noticeIn(head.toString('latin1').slice(0, mostHeadBytes))
    if (notice) options.tell(notice.session, notice.message)
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close() {
      server.close()
      for (const program of open) program.destroy()
    },
  }
}

/** A refusal alone has one: what a tunnel carries begins with the gateway's own 200. */
function noticeIn(head: string): { session: SessionId; message: string } | null {
  if (!head.startsWith('HTTP/1.1 403 ')) return null
  const lines = head.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? []
  const headerOf = (name: string) =>
    lines.find((line) => line.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2) ?? ''
  const session = sessionIdSchema.safeParse(headerOf(sessionHeader))
  const message = decoded(headerOf(noticeHeader))
  return session.success && message ? { session: session.data, message } : null
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return ''
    throw error
  }
}
