/** For tests: git over HTTP by the git that is installed, as a code host serves it. Who may come in is decided before. */
import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** `root` holds bare repositories by the paths of their addresses. */
export function serveGit(root: string, request: IncomingMessage, response: ServerResponse): void {
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

/** The password of Basic, or the token of Bearer; null without one. */
export function sentToken(request: IncomingMessage): string | null {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ', 2)
  if (/^(bearer|token)$/i.test(scheme)) return value
  if (!/^basic$/i.test(scheme)) return null
  return Buffer.from(value, 'base64').toString('utf8').split(':').slice(1).join(':')
}
