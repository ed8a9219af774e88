/**
 * Git on this machine, by `git http-backend`, which ships with git (RFC 3875, git-http-backend(1)). It runs with an
 * environment of its own, so nothing of ours reaches it or the repository's hooks; when we are root, it runs as the
 * repository's owner, so that hooks gain nothing and new files belong to whom the others do.
 */
import { spawn } from 'node:child_process'
import { pipeline } from 'node:stream/promises'
import { hasCode } from '../host/systemError.ts'
import { readCgiHead } from './cgiHead.ts'
import type { GitPassage, GitResult } from './gitPassage.ts'
import type { LocalRepository } from './localRepository.ts'
import { relay } from './passThrough.ts'

const maxComplaintCharacters = 2_000

export type GitLocal = (repository: LocalRepository, sessionId: string, passage: GitPassage) => Promise<GitResult>

export function createGitLocal(deps: { programPath: string; silenceMs: number }): GitLocal {
  return async (repository, sessionId, passage) => {
    const { body, response, signal } = passage
    const git = startGit(repository, environmentOf(repository, sessionId, passage, deps.programPath))
    const silence = setTimeout(git.end, deps.silenceMs)
    signal.addEventListener('abort', git.end)

    async function* heard(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        silence.refresh()
        yield chunk
      }
    }
    async function* toTheEnd(chunks: AsyncIterable<Buffer>) {
      yield* heard(chunks)
      // At any other end, git has said itself what was wrong.
      if ((await git.ended).signal) throw new Error('git was ended before its answer was complete')
    }
    // Git may answer and end before it has read everything; what it says decides.
    const fed = pipeline(body?.stream ?? [], heard, git.stdin).catch(() => undefined)
    try {
      const answer = await readCgiHead(git.stdout)
      if (!answer) {
        const error = (await git.ended).error ?? git.complaint()
        return { ending: 'refused', status: 500, sentence: 'git could not serve this repository.', error }
      }
      response.writeHead(answer.status, answer.headers)
      return { status: answer.status, ...(await relay(toTheEnd(answer.rest), response, { signal })) }
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', git.end)
      git.end()
      await Promise.all([git.ended, fed])
    }
  }
}

function startGit({ uid, gid }: LocalRepository, env: NodeJS.ProcessEnv) {
  const child = spawn('git', ['http-backend'], {
    env,
    cwd: '/',
    // A group of its own: http-backend leaves the work to children.
    detached: true,
    ...(process.geteuid?.() === 0 && { uid, gid }),
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, maxComplaintCharacters)
  })
  const ended = new Promise<{ signal: string | null; error?: string }>((resolve) => {
    child.once('error', (error) => resolve({ signal: null, error: String(error) }))
    child.once('close', (_, signal) => resolve({ signal }))
  })
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    ended,
    complaint: () => complaint.trim(),
    end: () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid)
    },
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // It has just ended by itself.
    if (!hasCode(error, 'ESRCH')) throw error
  }
}

function environmentOf(
  { gitFolder }: LocalRepository,
  sessionId: string,
  { service, step, headers, body }: GitPassage,
  programPath: string,
): NodeJS.ProcessEnv {
  const config = [
    ['http.receivepack', 'true'],
    // Whose the folder is does not matter: the operator lists it. Git asks for the work tree when there is one.
    ['safe.directory', gitFolder],
    ['safe.directory', gitFolder.replace(/\/\.git$/, '')],
  ]
  const configEnvironment = config.flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ])
  return {
    PATH: programPath,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(configEnvironment),
    GIT_PROJECT_ROOT: gitFolder,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: step === 'references' ? '/info/refs' : `/${service}`,
    QUERY_STRING: step === 'references' ? `service=${service}` : '',
    REQUEST_METHOD: step === 'references' ? 'GET' : 'POST',
    // Stands in the reflog.
    REMOTE_USER: sessionId,
    REMOTE_ADDR: 'corral',
    ...(body && { CONTENT_TYPE: `application/x-${service}-request` }),
    ...(body?.encoding && { HTTP_CONTENT_ENCODING: body.encoding }),
    ...(service === 'git-upload-pack' && { GIT_PROTOCOL: headers['git-protocol']?.toString() }),
  }
}
