/** For tests: a host of git repositories over HTTP, public and private ones, as GitHub is one. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { serveGit } from '../testing/codeHosts/gitBackend.ts'

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
    serveGit(options.root, request, response)
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
