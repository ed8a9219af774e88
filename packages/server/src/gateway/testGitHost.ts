/** For tests: a host of git repositories over HTTP, public and private ones, as GitHub is one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'

export type TestGitHost = AsyncDisposable & {
  url: string
  /** Everything that was asked for, with what it was asked with. */
  requests: { path: string; headers: IncomingHttpHeaders }[]
}

/** `/private/…` wants the credential; `/moved/…` redirects to `/public/…`; `/broken/…` breaks off. */
export async function testGitHost(options: { root: string; username: string; token: string }): Promise<TestGitHost> {
  const requests: TestGitHost['requests'] = []
  const expected = `Basic ${Buffer.from(`${options.username}:${options.token}`).toString('base64')}`

  const server = createServer((request, response) => {
    const url = request.url ?? ''
    requests.push({ path: url, headers: request.headers })
    if (url.startsWith('/moved/')) return response.writeHead(301, { location: url.replace('moved', 'public') }).end()
    if (url.startsWith('/broken/')) {
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-advertisement' })
      return response.write('001e#', () => response.destroy())
    }
    const mayWrite = request.headers.authorization === expected
    const writes = url.includes('git-receive-pack')
    if (!mayWrite && (writes || url.startsWith('/private/'))) {
      return response.writeHead(401, { 'www-authenticate': 'Basic' }).end('who are you?')
    }
    serve(options.root, request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '', 'http://host')
  const git = spawn('git', ['http-backend'], {
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      ...{ GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1', REMOTE_USER: 'somebody', PATH_INFO: url.pathname },
      ...{ QUERY_STRING: url.search.slice(1), REQUEST_METHOD: request.method },
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: request.headers['git-protocol']?.toString(),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  request.pipe(git.stdin.on('error', () => {}))
  // Its answer begins with the head of an HTTP response, but for the first line.
  let head = ''
  git.stdout.on('readable', () => {
    for (let byte = git.stdout.read(1); byte !== null; byte = git.stdout.read(1)) {
      head += byte.toString('latin1')
      if (!head.endsWith('\r\n\r\n')) continue
      git.stdout.removeAllListeners('readable')
      for (const line of head.trim().split('\r\n')) {
        const [name = '', value = ''] = line.split(': ', 2)
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
        else response.setHeader(name, value)
      }
      git.stdout.pipe(response)
      return
    }
  })
}
