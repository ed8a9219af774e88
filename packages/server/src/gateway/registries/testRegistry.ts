/** For tests: one server that is all package registries, of files in memory; and the door as programs in a sandbox see it. */
import { execFile } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Asked, startHost } from '../../testing/codeHosts/server.ts'

type File = { type: string; body: string | Buffer; headers?: Record<string, string>; status?: number }

export type TestRegistry = AsyncDisposable & {
  url: string
  /** By path. */
  files: Map<string, File>
  asked: Asked[]
}

export async function testRegistry(): Promise<TestRegistry> {
  const files: TestRegistry['files'] = new Map()
  const { requests: asked, ...server } = await startHost(({ path }, _, response) => {
    const file = files.get(path)
    if (!file) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('no such package')
    const described = { 'content-type': file.type, 'content-length': Buffer.byteLength(file.body), ...file.headers }
    response.writeHead(file.status ?? 200, described).end(file.body)
  })
  return { ...server, files, asked }
}

/** Says whose sandbox it is, as the supervisor's door does. */
export const testDoor = (socketPath: string, token: string) =>
  startHost((_, request, response) => {
    const headers = { ...request.headers, authorization: `Bearer ${token}` }
    const call = httpRequest({ socketPath, method: request.method, path: request.url, headers, agent: false })
    call.on('response', (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers)))
    call.on('error', () => response.destroy())
    request.pipe(call)
  })

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
