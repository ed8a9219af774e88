/** For tests: one server that is all package registries, of files in memory; and the door as programs in a sandbox see it. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'

type File = { type: string; body: string | Buffer; headers?: Record<string, string>; status?: number }

export type TestRegistry = AsyncDisposable & {
  url: string
  /** By path. */
  files: Map<string, File>
  asked: { method: string; path: string; headers: IncomingHttpHeaders }[]
}

export async function testRegistry(): Promise<TestRegistry> {
  const files: TestRegistry['files'] = new Map()
  const asked: TestRegistry['asked'] = []
  const server = await listening((request, response) => {
    const path = request.url ?? ''
    asked.push({ method: request.method ?? '', path, headers: request.headers })
    const file = files.get(path)
    if (!file) return response.writeHead(404, { 'content-type': 'text/plain' }).end('no such package')
    const described = { 'content-type': file.type, 'content-length': Buffer.byteLength(file.body), ...file.headers }
    response.writeHead(file.status ?? 200, described).end(file.body)
  })
  return { ...server, files, asked }
}

/** Says whose sandbox it is, as the supervisor's door does. */
export const testDoor = (socketPath: string, token: string) =>
  listening((request, response) => {
    const headers = { ...request.headers, authorization: `Bearer ${token}` }
    const call = httpRequest({ socketPath, method: request.method, path: request.url, headers, agent: false })
    call.on('response', (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers)))
    call.on('error', () => response.destroy())
    request.pipe(call)
  })

async function listening(answer: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Where package managers are; Cargo is often its user's own. */
const toolPath = ['/usr/local/bin', '/usr/bin', '/bin', join(homedir(), '.cargo', 'bin')].join(':')
const rustup = join(homedir(), '.rustup')

/** A package manager as it runs in a sandbox: with an empty home, and the environment that it finds there. */
export function run(
  command: string,
  args: string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<{ ok: boolean; said: string }> {
  const whole = { PATH: toolPath, HOME: cwd, LC_ALL: 'C', RUSTUP_HOME: rustup, ...env }
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env: whole, timeout: 50_000 }, (error, out, err) =>
      resolve({ ok: error === null, said: out + err }),
    )
  })
}

export const isInstalled = async (command: string, ...args: string[]): Promise<boolean> =>
  (await run(command, args, { cwd: '/' })).ok
