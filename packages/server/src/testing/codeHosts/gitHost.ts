/** For tests: a host of git repositories over HTTP, public and private ones, without a REST interface. */
import { serveGit } from './gitBackend.ts'
import { type HostServer, startHost } from './server.ts'

/** `/private/…` wants the credential; `/moved/…` redirects to `/public/…`; `/broken/…` breaks off. */
export function startGitHost(options: { root: string; username: string; token: string }): Promise<HostServer> {
  const expected = `Basic ${Buffer.from(`${options.username}:${options.token}`).toString('base64')}`

  return startHost(({ path, query, authorization }, request, response) => {
    if (path.startsWith('/moved/')) {
      const location = `${path.replace('moved', 'public')}?${query}`
      return void response.writeHead(301, { location }).end()
    }
    if (path.startsWith('/broken/')) {
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-advertisement' })
      return void response.write('001e#', () => response.destroy())
    }
    const writes = path.endsWith('/git-receive-pack') || query.get('service') === 'git-receive-pack'
    if (authorization !== expected && (writes || path.startsWith('/private/'))) {
      return void response.writeHead(401, { 'www-authenticate': 'Basic' }).end('who are you?')
    }
    serveGit(options.root, request, response)
  })
}
